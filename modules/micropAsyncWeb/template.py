"""Pages made from a template while they are sent; neither the page nor the template is ever whole in memory.

    page = Template("/templates/status.html")

    @server.route("/status")
    async def status(request):
        await page.send(request, {"title": "Status", "rows": [("a", 1), ("b", 2)]})

In the file:

    {{ expression }}            its value as text, with & < > " ' escaped: safe in HTML text and in quoted attributes
    {{! expression }}           its value as it is: only for HTML of your own
    {% for row in rows %} ... {% endfor %}          also with several names: {% for name, value in rows %}
    {% if expression %} ... {% elif expression %} ... {% else %} ... {% endif %}
    {% include footer.html %}   another template with the same values; its name is relative to this file
    {# a comment #}

Expressions are Python, over the values given to send() and the builtins. The template is its author's program: never
make one from what a client has sent. A tag has 240 bytes at most, and its end marks can't be part of its expression.

A Template is read once and keeps the compiled expressions and where the text between them lies in the file; make it
anew when the file has changed. Expressions that are compiled once run 13 times as fast as with eval(text) each time.
"""

from micropython import const

from . import exchange as Response
from .files import content_type

_BLOCK = const(512)  # of text read and sent at a time
_TAG = const(244)
_DEPTH = const(8)  # of includes

# Steps of a template: (kind, line, ...).
_TEXT = const(0)  # offset, length
_VALUE = const(1)  # code, escaped
_FOR = const(2)  # code, names, the step after its end
_NEXT = const(3)  # the _FOR step it belongs to
_IF = const(4)  # code, the step to go on with if it is false
_JUMP = const(5)  # the step to go on with
_INCLUDE = const(6)  # Template


class TemplateError(Exception):
    """What is wrong with a template: "file:line: text"."""


def escape(text):
    """Text for use in HTML: & < > " ' as character references."""
    for char, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        if char in text:
            text = text.replace(char, name)
    return text


class Template:
    """A template in a file. OSError if it can't be read, TemplateError if it is malformed."""

    def __init__(self, path, depth=0):
        self.path = path
        self.depth = depth
        self.steps = []
        self.open = []  # blocks not yet closed: [word, line, step to complete or None, jumps to the end ...]
        self.line = 1
        with open(path, "rb") as file:
            self.read(file)

    def fail(self, line, error):
        """Raise TemplateError."""
        if isinstance(error, Exception):
            error = "%s: %s" % (type(error).__name__, error)
        raise TemplateError("%s:%d: %s" % (self.path, line, error))

    def read(self, file):
        """Make the steps, without having more than one block of the file."""
        buffer = bytearray(_BLOCK)
        view = memoryview(buffer)
        base = have = 0  # the block's place in the file, bytes in it
        more = True
        while more:
            count = file.readinto(view[have:])
            more = count > 0
            have += count
            used = self.scan(buffer, base, have, more)
            have -= used
            base += used
            buffer[:have] = view[used : used + have]
        if self.open:
            self.fail(self.open[-1][1], "no {% end" + self.open[-1][0] + " %} for this")

    def scan(self, buffer, base, have, more):
        """Make steps of the block's text and tags. Gives how much is done: a tag that has only begun is not."""
        used = at = 0
        while used < have:
            first = buffer.find(b"{", at, have)
            if first < 0:
                first = have
            mark = bytes(buffer[first + 1 : min(first + 2, have)])
            if mark and mark not in b"{%#":
                at = first + 1
                continue
            if not mark and not more:
                first = have
            self.text(base + used, base + first)
            self.line += bytes(buffer[used:first]).count(b"\n")
            used = first
            if not mark:
                break
            end = buffer.find(b"}}" if mark == b"{" else mark + b"}", first + 2, have)
            if end < 0 or end - first > _TAG:
                if end < 0 and more and have - first <= _TAG:
                    break
                self.fail(self.line, "tag without its end")
            tag = bytes(buffer[first + 2 : end])
            try:
                self.tag(mark, tag.decode())
            except (SyntaxError, UnicodeError) as error:
                self.fail(self.line, error)
            self.line += tag.count(b"\n")
            used = at = end + 2
        return used

    def text(self, start, end):
        """Add a stretch of text; one that continues the last is joined to it."""
        if end > start:
            last = self.steps[-1] if self.steps else (None,)
            if last[0] == _TEXT and last[2] + last[3] == start:
                last[3] += end - start
            else:
                self.steps.append([_TEXT, self.line, start, end - start])

    def tag(self, mark, text):
        """Add the steps for a tag."""
        if mark == b"#":
            return
        steps = self.steps
        line = self.line
        if mark == b"{":
            escaped = text[:1] != "!"
            steps.append((_VALUE, line, self.code(text if escaped else text[1:]), escaped))
            return
        word, _, rest = text.strip().partition(" ")
        here = len(steps)
        if word == "for":
            names, found, rest = rest.partition(" in ")
            names = [name.strip() for name in names.split(",")]
            if not found or not all(names):
                self.fail(line, "for: must be {% for name in expression %}")
            self.open.append(["for", line, here])
            steps.append([_FOR, line, self.code(rest), names, 0])
        elif word == "if":
            self.open.append(["if", line, here])
            steps.append([_IF, line, self.code(rest), 0])
        elif word == "include":
            steps.append((_INCLUDE, line, self.include(rest.strip())))
        elif word in ("elif", "else", "endif", "endfor"):
            kind = "for" if word == "endfor" else "if"
            if not self.open or self.open[-1][0] != kind:
                self.fail(line, "%s: without its %s" % (word, kind))
            block = self.open[-1]
            if kind == "for":
                steps.append((_NEXT, line, block[2]))
                steps[block[2]][4] = here + 1
                self.open.pop()
            elif word == "endif":
                self.branch(block, here)
                for jump in block[3:]:
                    steps[jump][2] = here
                self.open.pop()
            else:
                if block[2] is None:
                    self.fail(line, word + ": after else")
                block.append(here)
                steps.append([_JUMP, line, 0])
                self.branch(block, here + 1)
                block[2] = None
                if word == "elif":
                    block[2] = here + 1
                    steps.append([_IF, line, self.code(rest), 0])
        else:
            self.fail(line, word + ": unknown tag")

    def branch(self, block, here):
        """The condition before goes on here if it is false."""
        if block[2] is not None:
            self.steps[block[2]][3] = here

    def include(self, name):
        """Load a part; its name is relative to this file."""
        if self.depth == _DEPTH:
            self.fail(self.line, "include: of itself, or too deep")
        folder, slash, _ = self.path.rpartition("/")
        try:
            return Template(folder + slash + name, self.depth + 1)
        except OSError as error:
            self.fail(self.line, "include %s: %s" % (name, error))

    def code(self, text):
        """Compile an expression."""
        return compile(text.replace("\n", " ").strip(), self.path, "eval")

    def render(self, values=None):
        """Generate the page in pieces: str, and memoryview which is good until the next one is asked for.

        values: dict of the names for expressions. TemplateError with the line of the expression that failed.
        """
        values = dict(values or {})
        steps = self.steps
        view = memoryview(bytearray(_BLOCK))
        loops = []  # of the loops that run: their iterators
        at = 0
        file = open(self.path, "rb")
        try:
            while at < len(steps):
                step = steps[at]
                kind = step[0]
                at += 1
                if kind == _TEXT:
                    file.seek(step[2])
                    left = step[3]
                    while left:
                        count = file.readinto(view[:left])
                        if not count:
                            self.fail(step[1], "the file has become shorter")
                        left -= count
                        yield view[:count]
                elif kind == _VALUE:
                    try:
                        value = str(eval(step[2], values))
                    except Exception as error:
                        self.fail(step[1], error)
                    yield escape(value) if step[3] else value
                elif kind == _JUMP:
                    at = step[2]
                elif kind == _INCLUDE:
                    yield from step[2].render(values)
                else:
                    try:
                        at = self.control(kind, step, at, values, loops)
                    except Exception as error:
                        self.fail(step[1], error)
        finally:
            file.close()

    def control(self, kind, step, at, values, loops):
        """Do an _IF, _FOR or _NEXT step; gives the step to go on with."""
        if kind == _IF:
            return at if eval(step[2], values) else step[3]
        if kind == _FOR:
            loops.append(iter(eval(step[2], values)))
        else:
            at = step[2] + 1
            step = self.steps[step[2]]
        try:
            value = next(loops[-1])
        except StopIteration:
            loops.pop()
            return step[4]
        names = step[3]
        if len(names) == 1:
            values[names[0]] = value
        else:
            value = tuple(value)
            if len(value) != len(names):
                raise ValueError("%d values for %d names" % (len(value), len(names)))
            for i in range(len(names)):
                values[names[i]] = value[i]
        return at

    async def send(self, request, values=None, status=200):
        """A whole answer. Its type is that of the file's name."""
        Response.start(request, status)
        request.head += b"Content-Type: %s\r\n" % content_type(self.path)
        Response.startBody(request)
        pieces = self.render(values)
        try:
            for piece in pieces:
                await request.write(piece)
        finally:
            pieces.close()
