"""Searches the names written by `cargo bench -p tests --bench index -- --export NAMES` with other programs:
a plain scan, SQLite's FTS5 with trigrams, and PostgreSQL's pg_trgm, as far as they are installed.

    python3 tests/benches/beside_index.py NAMES [QUERIES_OF_A_KIND]

Each returns the first 21 names that contain all words, in any order: ranking would cost extra.
Names and words are folded beforehand. Only the query is timed, without the transfer to and from a server.
"""

import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata

MOST = 21
SCANS = 20
POSTGRES = "-c listen_addresses='' -c shared_buffers=1GB -c fsync=off -c max_parallel_workers_per_gather=0 -c jit=off"


def fold(text):
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain if not unicodedata.combining(c)).lower()


def read_queries(names, count):
    queries = {}
    for line in names.with_suffix(".queries").read_text("utf-8").splitlines():
        kind, text = line.split("\t")
        queries.setdefault(kind, []).append(fold(text).split())
    queries.pop("start of a digest", None)
    return {kind: some[:count] for kind, some in queries.items()}


def show(program, kind, taken):
    taken = sorted(taken)
    worst = taken[max(0, int(len(taken) * 0.99) - 1)]
    print(f"  {program:8} {kind:16} median {statistics.median(taken) * 1e3:9.3f} ms, p99 {worst * 1e3:9.3f} ms", flush=True)


def timed(work):
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def scan(folded, queries, _folder):
    names = folded.read_bytes()
    for kind, some in queries.items():
        def look(words):
            found, at = 0, names.find(words[0].encode())
            while at >= 0 and found < MOST:
                line = names[names.rfind(b"\n", 0, at) + 1 : names.find(b"\n", at)]
                found += all(word.encode() in line for word in words)
                at = names.find(words[0].encode(), names.find(b"\n", at))
        show("scan", kind, [timed(lambda: look(words)) for words in some[:SCANS]])


def sqlite(folded, queries, folder):
    path = folder / "fts.db"
    db = sqlite3.connect(path)
    db.executescript("pragma journal_mode=off; pragma synchronous=off; pragma cache_size=-1000000;")
    db.execute("create virtual table files using fts5(name, tokenize='trigram')")
    begun = time.perf_counter()
    with folded.open(encoding="utf-8") as lines:
        db.executemany("insert into files(name) values(?)", ((line.rstrip("\n"),) for line in lines))
    db.commit()
    print(f"  fts5     built in {time.perf_counter() - begun:.1f} s, {path.stat().st_size >> 20} MiB", flush=True)
    for kind, some in queries.items():
        def ask(words):
            if all(len(word) >= 3 for word in words):
                where, values = "files match ?", [" AND ".join(f'"{word}"' for word in words)]
            else:
                where, values = " and ".join("name like ?" for _ in words), [f"%{word}%" for word in words]
            db.execute(f"select name from files where {where} limit {MOST}", values).fetchall()
        show("fts5", kind, [timed(lambda: ask(words)) for words in some])


def postgres(folded, queries, folder):
    programs = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    data, user = folder / "data", []
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
        user = ["runuser", "-u", "nobody", "--"]
    def run(program, *arguments):
        command = [*user, str(programs / program), "-D", str(data), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    def ask(text):
        psql = ["psql", "-h", str(folder), "-d", "postgres", "-qAt", "-v", "ON_ERROR_STOP=1"]
        return subprocess.run([*user, *psql], input=text, text=True, check=True, capture_output=True, cwd=folder).stdout
    run("initdb", "-A", "trust", "--encoding=UTF8", "--locale=C.UTF-8")
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", f"-k {folder} {POSTGRES}", "start")
    try:
        begun = time.perf_counter()
        ask("create extension pg_trgm; create table files(name text);\n"
            f"\\copy files from '{folded}' with (format csv, delimiter E'\\x01', quote E'\\x02')\n"
            "create index on files using gin(name gin_trgm_ops); vacuum analyze files;")
        size = ask("select pg_total_relation_size('files') >> 20;").strip()
        print(f"  pg_trgm  built in {time.perf_counter() - begun:.1f} s, {size} MiB", flush=True)
        for kind, some in queries.items():
            text = "\\timing on\n"
            for words in some:
                like = " and ".join("name like '%{}%'".format(word.replace("'", "''")) for word in words)
                text += f"select name from files where {like} limit {MOST};\n"
            lines = [line.split() for line in ask(text).splitlines() if line.startswith("Time: ")]
            show("pg_trgm", kind, [float(line[1]) / 1e3 for line in lines])
    finally:
        run("pg_ctl", "-m", "fast", "stop")


def main():
    names = pathlib.Path(sys.argv[1])
    queries = read_queries(names, int(sys.argv[2]) if len(sys.argv) > 2 else 300)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        folded = folder / "folded"
        with names.open(encoding="utf-8") as lines, folded.open("w", encoding="utf-8") as out:
            out.writelines(fold(line) for line in lines)
        scan(folded, queries, folder)
        sqlite(folded, queries, folder)
        if shutil.which("psql"):
            (folder / "pg").mkdir()
            postgres(folded, queries, folder / "pg")


if __name__ == "__main__":
    main()
