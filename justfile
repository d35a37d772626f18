# What `.ci/run` runs; `just --list` shows the rest.
ci: fmt lint deny doc test

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

# The documentation, warnings denied.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

# All tests.
test:
    cargo test --workspace

# The whole product on one screen.
demo *FILE:
    cargo demo -- {{FILE}}

# A transfer beside other programs on this machine: `just bench --size 1GiB --sources 1,2,4`, `just bench --small`.
bench *ARGS:
    cargo bench --package tests --bench transfer -- {{ARGS}}
