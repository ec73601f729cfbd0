"""docs/settings.md: its table of keys is that of the schema, and its curl commands are answered as it says."""

import json
import re
import subprocess

from firmware import bootjson, paths

PAGE = paths.ROOT / "docs" / "settings.md"
PAIR = re.compile(r"```sh\n(curl .*?)\n```\n+(?:[^`]*?\n)??```json\n(.*?)```", re.S)


def leaves(schema, root, name=""):
    """(dotted name, schema) of all that is not an object; [] marks the entries of a list."""
    if "$ref" in schema:
        schema = {**root["$defs"][schema["$ref"].rpartition("/")[2]], **schema}
    if schema.get("type") == "object":
        for key, inner in schema["properties"].items():
            yield from leaves(inner, root, f"{name}.{key}" if name else key)
        return
    if "title" in schema:
        yield name, schema
    if schema.get("type") == "array":
        yield from leaves(schema["items"], root, name + "[]")


def rows():
    """The table as it should be."""
    schema = json.loads(bootjson.SCHEMA.read_text("utf-8"))
    for name, leaf in leaves(schema, schema):
        default = f"`{json.dumps(leaf['default'])}`" if "default" in leaf else ""
        yield f"| `{name}` | {leaf['title']} | {leaf['description']} | {default} |".replace("  |", " |")


def test_the_table_is_that_of_the_schema():
    text = PAGE.read_text("utf-8")
    head = "| key | what it is | value | default |\n|---|---|---|---|\n"
    table = text.partition(head)[2].partition("\n\n")[0].splitlines()
    assert table == list(rows()), "put this into docs/settings.md:\n" + "\n".join(rows())


def agrees(told, answer):
    """Whether an answer is as told; … in a text of the page stands for anything."""
    if isinstance(told, str):
        pattern = ".*".join(re.escape(part) for part in told.split("…"))
        return isinstance(answer, str) and re.fullmatch(pattern, answer, re.S) is not None
    if isinstance(told, dict):
        return (
            isinstance(answer, dict)
            and told.keys() == answer.keys()
            and all(agrees(told[key], answer[key]) for key in told)
        )
    if isinstance(told, list):
        return (
            isinstance(answer, list)
            and len(told) == len(answer)
            and all(agrees(part, found) for part, found in zip(told, answer, strict=True))
        )
    return type(told) is type(answer) and told == answer


def test_curl(start_board):
    """The commands in their order, on a board with the boot.json of the page."""
    text = PAGE.read_text("utf-8")
    board = start_board()
    board.wait_http()
    example = re.search(r"```json\n(.*?)```", text, re.S)[1]
    board.write_file("/boot.json", example.encode())
    board.hard_reset()
    board.wait_http()
    # The example is laid out as the board itself does it.
    program = "from device import bootjson\nprint(bootjson.render(bootjson.current()).decode())"
    assert board.exec(program) == example + "\n"
    pairs = PAIR.findall(text)
    assert len(pairs) == text.count("\ncurl ") == 5
    for command, told in pairs:
        host = "{}:{}".format(*board.http)
        line = re.sub(r"http://\w+\.local/", f"http://{host}/", command).replace("curl ", "curl -s --max-time 20 ")
        run = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
        answer = json.loads(run.stdout)
        assert agrees(json.loads(told), answer), (command, answer)
        if "trial" in answer:
            settings = board.until(lambda: json.loads(board.get("/api/status")[2])["settings"], within=30)
            board.until(lambda: json.loads(board.get("/api/status")[2])["settings"]["source"] == "trial", within=30)
            assert set(settings) == {"source", "trial"}
