# Run the checks of `.ci/run`; `just --list` shows the other recipes.
ci: fmt lint windows-check spelling deny doc previous test

# Check the formatting.
fmt:
    cargo fmt --all -- --check

# Run Clippy and deny warnings.
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# Check that both programs compile for Windows. Skipped with a message without Rust's target or the C compiler for it.
windows-check:
    @if rustup target list --installed | grep -q x86_64-pc-windows-gnu && command -v x86_64-w64-mingw32-gcc >/dev/null; then \
     cargo clippy --workspace --exclude tests --target x86_64-pc-windows-gnu -- -D warnings; \
     else echo "SKIPPED: needs rustup target add x86_64-pc-windows-gnu, and the package gcc-mingw-w64-x86-64"; fi

# Check the dependencies: bans, licences, sources. Skipped with a message if cargo-deny is not installed.
deny:
    @if cargo deny --version >/dev/null 2>&1; then cargo deny --offline check bans licenses sources; \
     else echo "SKIPPED: cargo-deny is not installed (cargo install cargo-deny --locked)"; fi

# Check the spelling of code and documents (needs typos: pip install typos).
spelling:
    @if typos --version >/dev/null 2>&1; then typos; else echo "SKIPPED: typos is not installed (pip install typos)"; fi

# Accept changed help screens and messages: write the snapshots anew.
snapshots:
    UPDATE_SNAPSHOTS=1 cargo test --package tests --test stories texts::

# Measure the shape of the code: files, functions, cycles, imports, assertions, duplicates.
shape *FOLDER:
    python3 tests/tools/shape.py {{FOLDER}}

# Build the documentation and deny warnings.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

# Run all tests.
test:
    cargo test --workspace

# Build release 0.1.0 for the interoperability story, which skips without it.
previous:
    .ci/previous

# Show the whole product on one screen.
demo *FILE:
    cargo demo -- {{FILE}}

# Measure a transfer beside other programs on this machine: `just bench --size 1GiB --sources 1,2,4`, `just bench --small`.
bench *ARGS:
    cargo bench --package tests --bench transfer -- {{ARGS}}

# Measure downloads over emulated long lines beside curl and aria2 (as root): `just long-lines bbr,100ms`. All cells take up to three hours.
long-lines *ARGS:
    cargo bench --package tests --bench long_lines -- {{ARGS}}

# Measure downloads beside 1, 10 and 100 hostile sources of every kind, and compare them with the requirements.
hostile *ARGS:
    cargo bench --package tests --bench hostile -- {{ARGS}}

# Simulate whole transfers with hostile sources, failing disks and restarts, for SECONDS; prints the seed of a failure.
simulate SECONDS="3600":
    SIMULATION_SECONDS=${SIMULATION_SECONDS:-{{SECONDS}}} cargo test --release --package peer-node --lib -- --ignored --nocapture any_transfer_completes_for_an_hour

# Kill an index under load, CYCLES times; no acknowledged change may be lost.
index-kills CYCLES="1000":
    STORY_CYCLES={{CYCLES}} cargo test --package tests --test stories survives_kill_9 -- --nocapture

# Cut the power of an index's disk under load, CYCLES times (as root, because it mounts an image).
index-power-cuts CYCLES="200":
    STORY_CYCLES={{CYCLES}} cargo test --package tests --test stories survives_a_power_cut -- --nocapture

# Kill both programs at every system call that changes names, makes data durable or allocates space, and make each such call fail:
# `just syscall-faults --only torrent --verbose`. All scenarios take about a quarter of an hour.
syscall-faults *ARGS:
    cargo test --package tests --bench syscall_faults -- {{ARGS}}

# Test an index with crowds of idle clients, slow clients, and nodes that reconnect after a restart.
index-crowds MANY="10000" BACK="1000":
    cargo build --release --package index-server --package peer-node
    STORY_CROWD={{MANY}} cargo test --release --package tests --test stories index_crowds::many -- --nocapture --test-threads 1
    STORY_CROWD={{BACK}} cargo test --release --package tests --test stories index_crowds::a_crowd -- --nocapture

# Measure the same names and queries in an index, a plain scan, SQLite's FTS5 and PostgreSQL's pg_trgm.
index-beside NAMES="target/names.txt":
    cargo bench --package tests --bench index -- --export {{absolute_path(NAMES)}}
    python3 tests/benches/beside_index.py {{NAMES}}

# Fuzz every decoder with libFuzzer for SECONDS each (requires cargo-fuzz).
fuzz SECONDS="60":
    for target in protocol/fuzz/targets/*.rs; do \
        name=$(basename $target .rs); \
        (cd protocol && RUSTC_BOOTSTRAP=1 cargo fuzz run $name -- -max_total_time={{SECONDS}} -max_len=4096) || exit 1; \
    done
