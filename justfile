# What `.ci/run` runs; `just --list` shows the rest.
ci: fmt lint spelling deny doc previous test

# Formatting, as CI checks it.
fmt:
    cargo fmt --all -- --check

# Clippy, warnings denied.
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# Dependencies: bans, licences, sources. Skipped, saying so, where cargo-deny is not installed.
deny:
    @if cargo deny --version >/dev/null 2>&1; then cargo deny --offline check bans licenses sources; \
     else echo "SKIPPED: cargo-deny is not installed (cargo install cargo-deny --locked)"; fi

# Spelling, in code and documents. Skipped, saying so, where typos is not installed.
spelling:
    @if typos --version >/dev/null 2>&1; then typos; else echo "SKIPPED: typos is not installed (pip install typos)"; fi

# Accepts changed help screens and messages: writes tests/tests/snapshots anew.
snapshots:
    UPDATE_SNAPSHOTS=1 cargo test --package tests --test stories texts::

# The shape of the code: files, functions, cycles, imports, assertions, duplicates.
shape *FOLDER:
    python3 tests/tools/shape.py {{FOLDER}}

# The documentation, warnings denied.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

# All tests.
test:
    cargo test --workspace

# Release 0.1.0, for the story that runs it against this one; without it that story skips.
previous:
    .ci/previous

# The whole product on one screen.
demo *FILE:
    cargo demo -- {{FILE}}

# A transfer beside other programs on this machine: `just bench --size 1GiB --sources 1,2,4`, `just bench --small`.
bench *ARGS:
    cargo bench --package tests --bench transfer -- {{ARGS}}

# Downloads over emulated long lines beside curl and aria2 (as root): `just long-lines bbr,100ms`. All cells take up to three hours.
long-lines *ARGS:
    cargo bench --package tests --bench long_lines -- {{ARGS}}

# Downloads beside 1, 10 and 100 hostile sources of every kind: what an honest user sees, and what is required.
hostile *ARGS:
    cargo bench --package tests --bench hostile -- {{ARGS}}

# Kills an index under load, so many times; what it acknowledged must be there each time.
index-kills CYCLES="1000":
    STORY_CYCLES={{CYCLES}} cargo test --package tests --test stories survives_kill_9 -- --nocapture

# Cuts the power of an index's disk under load, so many times (as root: it mounts an image).
index-power-cuts CYCLES="200":
    STORY_CYCLES={{CYCLES}} cargo test --package tests --test stories survives_a_power_cut -- --nocapture

# Kills both programs at every call that changes names, makes bytes durable or needs room, and lets each such call fail:
# `just syscall-faults --only torrent --verbose`. All of them take about a quarter of an hour.
syscall-faults *ARGS:
    cargo test --package tests --bench syscall_faults -- {{ARGS}}

# Crowds at an index: idle ones, ones that drip, ones that come back after a restart.
index-crowds MANY="10000" BACK="1000":
    cargo build --release --package index-server --package peer-node
    STORY_CROWD={{MANY}} cargo test --release --package tests --test stories index_crowds::many -- --nocapture --test-threads 1
    STORY_CROWD={{BACK}} cargo test --release --package tests --test stories index_crowds::a_crowd -- --nocapture

# The same names and queries in an index, in a plain scan, in SQLite's FTS5 and in PostgreSQL's pg_trgm.
index-beside NAMES="target/names.txt":
    cargo bench --package tests --bench index -- --export {{absolute_path(NAMES)}}
    python3 tests/benches/beside_index.py {{NAMES}}

# Feeds every decoder with what libFuzzer makes up, each for so many seconds (needs cargo-fuzz).
fuzz SECONDS="60":
    for target in protocol/fuzz/targets/*.rs; do \
        name=$(basename $target .rs); \
        (cd protocol && RUSTC_BOOTSTRAP=1 cargo fuzz run $name -- -max_total_time={{SECONDS}} -max_len=4096) || exit 1; \
    done
