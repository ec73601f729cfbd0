"""The type stubs (.pyi) of the server say what its code says: names, parameters and their defaults."""

import ast
from pathlib import Path

import pytest

from firmware import modules, paths, version

PACKAGE = Path(__file__).resolve().parents[2] / "modules" / "micropAsyncWeb"
STUBS = sorted(PACKAGE.glob("*.pyi"))

# Functions beside those of the API in the modules where Response and Request find theirs.
INTERNAL = {
    "exchange": {"clean", "status_line"},
    "extra": {"attribute", "pairs", "query", "cookies", "form", "save", "reply"},
    "body": {"too_much", "drain"},
    # In optional modules: what only the package itself uses.
    "auth": {"refuse"},
    "hooks": {"before", "after", "errorHandler", "mount", "attribute", "of", "NoLines", "Hooks", "within"},
    "link": {"Link", "wake"},
    "multipart": {"parameters", "Parts"},
    "session": {"clock_set"},
    "sse": {"encode"},
}
# Attributes of a Request that another module than extra.py sets.
ELSEWHERE = {"method": "exchange", "user": "auth", "mount": "mount"}


def tree(path):
    return ast.parse(path.read_text("utf-8"), str(path))


def members(body):
    """{name: function or class} of what is defined in a module or class and public, or a special method."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = {node.name: node for node in body if isinstance(node, kinds)}
    return {name: node for name, node in found.items() if name[0] != "_" or name == "__init__"}


class Constants(ast.NodeTransformer):
    """Puts the values of a module's constants in the place of their names in defaults."""

    def __init__(self, body):
        self.values = {
            node.targets[0].id: node.value
            for node in body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }

    def visit_arguments(self, node):
        node.defaults = [
            self.values.get(default.id, default) if isinstance(default, ast.Name) else default
            for default in node.defaults
        ]
        return node


def source(name):
    """members() of a module."""
    module = tree(PACKAGE / f"{name}.py")
    return members(Constants(module.body).visit(module).body)


def parameters(function, drop=0):
    """[(name, default as text or None)] of a function, without its first parameters."""
    every = [*function.args.posonlyargs, *function.args.args]
    defaults = [ast.unparse(node) for node in function.args.defaults]
    defaults = [None] * (len(every) - len(defaults)) + defaults
    return [(arg.arg, default) for arg, default in zip(every, defaults, strict=True)][drop:]


def by_name(function):
    """Whether all parameters can be given by name."""
    return not function.args.posonlyargs


def compare(stub, code, drop=0, where=""):
    assert parameters(stub, drop) == parameters(code, drop), f"{where}{stub.name}: the parameters differ"


def attributes(node):
    return {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}


CORE = members(tree(PACKAGE / "__init__.pyi").body)


def test_the_server():
    stub, code = members(CORE["MicropAsyncWeb"].body), members(source("__init__")["MicropAsyncWeb"].body)
    # What is loaded when it is called.
    later = {"before", "after", "errorHandler", "mount", "runThread", "stop"}
    elsewhere = source("hooks") | source("control")
    internal = {"prepare", "error", "receive", "accept", "forget", "sweep", "tick"}
    assert set(stub) - later <= set(code)
    assert set(code) - internal <= set(stub)
    for name, function in stub.items():
        if name in later:
            assert parameters(function, 1) == parameters(elsewhere[name], 1)
            assert by_name(function)
        else:
            compare(function, code[name], where="MicropAsyncWeb.")
    text = (PACKAGE / "__init__.py").read_text()
    for name in attributes(CORE["MicropAsyncWeb"]):
        assert f"self.{name} = " in text or f"{name} = " in text, name


def test_responses():
    stub = members(CORE["Response"].body)
    code = source("exchange") | source("extra")
    public = {
        name
        for module in ("exchange", "extra")
        for name, node in source(module).items()
        if not isinstance(node, ast.ClassDef) and name not in INTERNAL[module]
    }
    assert set(stub) == public
    for name, function in stub.items():
        compare(function, code[name], where="Response.")


def test_requests():
    stub = members(CORE["Request"].body)
    code = {name: node for module in ("body", "extra") for name, node in source(module).items()}
    own = members(source("exchange")["Request"].body)
    assert set(source("body")) - INTERNAL["body"] <= set(stub)
    for name, function in stub.items():
        if name in own:
            assert parameters(function, 1) == parameters(own[name], 1)[: len(parameters(function, 1))]
        else:
            assert parameters(function, 1) == parameters(code[name], 1), name
            assert by_name(function), name
    text = (PACKAGE / "extra.py").read_text()
    for name in attributes(CORE["Request"]):
        if name in ELSEWHERE:
            module = (PACKAGE / f"{ELSEWHERE[name]}.py").read_text()
            assert f"request.{name} = " in module or f"\n    {name} = " in module, name
        else:
            assert f'"{name}": ' in text, name


@pytest.mark.parametrize("path", [path for path in STUBS if path.stem != "__init__"], ids=lambda path: path.stem)
def test_optional_modules(path):
    """Of these the stubs name all that is public. Methods are only those that an application calls."""
    stub = members(tree(path).body)
    code = source(path.stem)
    missing = set(code) - set(stub) - INTERNAL.get(path.stem, set())
    surplus = set(stub) - set(code)
    assert not missing and not surplus, f"{path.name}: add {missing}, remove {surplus}"
    for name, node in stub.items():
        if not isinstance(node, ast.ClassDef):
            compare(node, code[name])
            continue
        methods = members(code[name].body)
        for method, function in members(node.body).items():
            assert method in methods, f"{path.name}: {name}.{method}"
            compare(function, methods[method], where=f"{name}.")


def test_stubs_are_not_for_boards():
    """They are neither frozen nor in the ROMFS of the desktop board; mip's list is checked by test_mip.py."""
    version.write_module()  # the manifest lists it
    listed = {module.path for module in modules.read_manifest(paths.MANIFEST)}
    assert PACKAGE / "exchange.py" in listed
    assert not [path for path in listed if path.suffix != ".py"]
