# Plain cargo lines, so nobody needs `just`: copy one and run it.

# gateway.yaml with built-in sample backends
run:
    cargo run --release -- demo

# every error and warning of a configuration
check-config FILE:
    cargo run --release -- check -c {{FILE}}

# all tests, with the programs they need installed
test *ARGS:
    scripts/test {{ARGS}}

# formatting and lints
lint:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# the documentation; warnings are errors
doc:
    RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --locked --no-deps --document-private-items

# benches of the hot stages
bench *ARGS:
    cargo bench {{ARGS}}

# one fuzz target from its seeds, e.g. `just fuzz resolver -max_total_time=60`
fuzz TARGET *ARGS:
    mkdir -p fuzz/corpus/{{TARGET}}
    cargo fuzz run -s none {{TARGET}} fuzz/corpus/{{TARGET}} fuzz/seeds/{{TARGET}} -- -dict=fuzz/dictionaries/{{TARGET}}.dict {{ARGS}}

# licences, bans and sources of the dependencies
audit:
    scripts/audit

# known vulnerabilities; downloads the advisory database
advisories:
    cargo deny check advisories

# every answer belongs to its request while a fifth of all exchanges fail
soak MINUTES="10":
    VERGATE_SOAK_MINUTES={{MINUTES}} cargo test --release --test gateway soak:: -- --nocapture

# reloads, crashes and restarts under load
chaos MINUTES="10":
    VERGATE_CHAOS_MINUTES={{MINUTES}} cargo test --release --test gateway chaos:: -- --nocapture

# memory and descriptors over many requests
leak REQUESTS="10000000":
    VERGATE_LEAK_REQUESTS={{REQUESTS}} cargo test --release --test gateway leak:: -- --nocapture

# what CI runs, and nothing else
verify:
    .ci/run
