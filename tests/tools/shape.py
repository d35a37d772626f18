#!/usr/bin/env python3
"""Measures the shape of the code: `just shape`, or `shape.py FOLDER` for another checkout.

Prints, per crate: files, lines per file and per function (median, 95 %, longest), inline comments as a share of
code lines, assertions, the imports between top-level modules and the cycles among them, and runs of at least six
lines that occur twice. Tests are counted apart from the code that they test.
"""
import collections
import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]).resolve()
CRATES = ["protocol", "index-server", "peer-node", "tests"]
TEST_PARTS = {"tests", "golden", "simulation", "model"}
DUPLICATE_RUN = 6


def tracked():
    listed = subprocess.run(["git", "ls-files", "*.rs"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [pathlib.PurePosixPath(line) for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def is_test(path):
    inside = path.parts[1:]
    return path.parts[0] == "tests" or any(part.removesuffix(".rs") in TEST_PARTS for part in inside)


def split_tests(text):
    """Returns the code of a file without its unit tests, and the tests."""
    at = text.find("#[cfg(test)]\nmod tests {")
    return (text, "") if at < 0 else (text[:at], text[at:])


def functions(lines):
    """Yields the length of each function in lines, by its indentation."""
    start = None
    for number, line in enumerate(lines):
        opened = re.match(r"(\s*)(pub(\([^)]*\))? )?(default )?(const )?(async )?(unsafe )?fn \w+", line)
        if opened and start is None:
            start, indent = number, opened.group(1)
        if start is not None and (line == indent + "}" or (number == start and line.rstrip().endswith("}"))):
            yield number - start + 1
            start = None


def module_of(path):
    """Returns the top-level module of a source file of a crate, or None for its root."""
    parts = path.parts[path.parts.index("src") + 1:]
    first = parts[0].removesuffix(".rs")
    return None if first in ("lib", "main") else first


def cycles(edges):
    """Returns the strongly connected components with more than one module (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = []
            while True:
                component.append(stack.pop())
                if component[-1] == node:
                    break
            if len(component) > 1:
                found.append(sorted(component))

    sys.setrecursionlimit(10_000)
    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def duplicates(files):
    """Returns how many places begin with lines that occur in another place as well."""
    seen = collections.defaultdict(list)
    for name, lines in files:
        code = [line.strip() for line in lines]
        kept = [(at, line) for at, line in enumerate(code) if len(line) > 3 and not line.startswith(("//", "use "))]
        for at in range(len(kept) - DUPLICATE_RUN + 1):
            run = tuple(line for _, line in kept[at:at + DUPLICATE_RUN])
            seen[run].append((name, at))
    twice = {place for places in seen.values() if len(places) > 1 for place in places}
    return sum(1 for name, at in twice if (name, at - 1) not in twice)


def describe(values):
    values = sorted(values)
    if not values:
        return "none"
    return f"median {statistics.median(values):.0f}, 95 % {values[int(len(values) * 0.95)]}, longest {values[-1]}"


def main():
    for crate in CRATES:
        paths = [path for path in tracked() if path.parts[0] == crate]
        texts = {path: (ROOT / path).read_text() for path in paths}
        code, tests, file_lengths, lengths, comments, assertions = 0, 0, [], [], 0, 0
        edges, files = collections.defaultdict(set), []
        imports = collections.Counter()
        modules = {module_of(path) for path in paths if "src" in path.parts}
        for path, text in texts.items():
            body, unit_tests = ("", text) if is_test(path) and crate != "tests" else split_tests(text)
            file_lengths.append(text.count("\n"))
            lines = body.splitlines()
            code += sum(1 for line in lines if line.strip() and not line.strip().startswith("//"))
            tests += sum(1 for line in unit_tests.splitlines() if line.strip())
            comments += sum(1 for line in lines if re.search(r"(^|\s)//(?![/!])", line))
            assertions += len(re.findall(r"\bdebug_assert(?:_eq|_ne)?!|\bconst _: \(\) = assert!", body))
            lengths.extend(functions(lines))
            files.append((path, lines))
            if crate == "tests" or "src" not in path.parts or not body:
                continue
            own = module_of(path)
            # `super::` as often as it takes from this file leads to the root of the crate, as `crate::` does.
            depth = len(path.parts) - path.parts.index("src") - 1
            to_root = re.compile(r"\bcrate::(\w+)|(?<!super::)" + "super::" * depth + r"(\w+)")
            for line in lines:
                for used in (first or second for first, second in to_root.findall(line.split("//")[0])):
                    if used in modules and used != own and own is not None:
                        edges[own].add(used)
                        imports[own, used] += 1
        print(f"{crate}: {len(paths)} files, {code} lines of code, {tests} of unit tests")
        print(f"  lines per file: {describe(file_lengths)}")
        print(f"  lines per function: {describe(lengths)}")
        print(f"  inline comments: {100 * comments / max(code, 1):.1f} % of the code lines; assertions: {assertions}")
        print(f"  runs of {DUPLICATE_RUN} equal lines that occur elsewhere too: {duplicates(files)}")
        if crate != "tests":
            found = cycles(edges)
            print(f"  imports between modules: {len(imports)} pairs; cycles: {len(found)}")
            for cycle in found:
                print(f"    {len(cycle)} modules: {', '.join(cycle)}")


if __name__ == "__main__":
    main()
