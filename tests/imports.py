"""The imports between the modules of happysad, and the circles among them.

    python -m tests.imports          print the rooms, the imports of each room, and the circles

A room is a subpackage of happysad, or a module outside these. Imports inside functions count;
imports for type checking only do not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["SOURCE", "circles", "module_graph", "outside", "room_graph"]

SOURCE = Path(__file__).parents[1] / "src" / "happysad"

Graph = Mapping[str, set[str]]


def module_graph(source: Path = SOURCE) -> dict[str, set[str]]:
    """Return the modules that each module imports, by names such as "dataset.check"."""
    files = {_name(file, source): file for file in source.rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for name, file in files.items():
        imported = (_module(one, files) for one in _imported(file) if _is_ours(one))
        graph[name] = {one for one in imported if one is not None and one != name}
    return graph


def room_graph(modules: Graph) -> dict[str, set[str]]:
    """Return the rooms that each room imports, by name."""
    graph: dict[str, set[str]] = {}
    for name, imported in modules.items():
        room = _room(name)
        graph.setdefault(room, set()).update(map(_room, imported - {""}))
        graph[room].discard(room)
    return graph


def circles(graph: Graph) -> list[list[str]]:
    """Return the sets of nodes on a circle (Tarjan 1972), each sorted."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = []
            while (top := stack.pop()) != node:
                component.append(top)
            if component:
                found.append(sorted([*component, node]))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def outside(name: str, source: Path = SOURCE) -> set[str]:
    """Return the top-level packages other than happysad that a module imports."""
    file = source.joinpath(*name.split("."))
    file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    return {one.partition(".")[0] for one in _imported(file) if not _is_ours(one)}


def _name(file: Path, source: Path) -> str:
    parts = list(file.relative_to(source).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(name: str) -> str:
    return name.partition(".")[0]


def _is_ours(name: str) -> bool:
    return name == "happysad" or name.startswith("happysad.")


def _module(name: str, files: Mapping[str, Path]) -> str | None:
    """Return the module of an imported name, which is the module itself or an object in it."""
    own = name.removeprefix("happysad").removeprefix(".")
    if own in files:
        return own
    parent = own.rpartition(".")[0]
    return parent if parent in files else None


def _imported(file: Path) -> Iterator[str]:
    """Yield the full names that a module imports, also inside functions, as "package.name"."""
    waiting: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield str(first.value)
        waiting.extend(ast.iter_child_nodes(node))


def main() -> None:
    """Print the graph of the rooms, and the circles."""
    modules = module_graph()
    rooms = room_graph(modules)
    for room in sorted(rooms):
        print(f"{room or 'happysad':<16} -> {', '.join(sorted(rooms[room])) or '(nothing)'}")  # noqa: T201
    for what, graph in (("rooms", rooms), ("modules", modules)):
        found = circles({name: imported for name, imported in graph.items() if name})
        print(f"circles among {len(graph)} {what}: {len(found)}")  # noqa: T201
        for circle in found:
            print("   " + " <-> ".join(circle))  # noqa: T201


if __name__ == "__main__":
    main()
