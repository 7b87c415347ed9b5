//! Puts the functions that start and requests run next to each other: docs/decisions/order.md.

use std::env;

fn main() {
    const ORDER: &str = "build/order.ld";
    println!("cargo::rerun-if-changed={ORDER}");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    // A script for GNU's linker and LLVM's; where it is of no use, the program is the same in another order.
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ARCH", "x86_64") {
        let root = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bin=vergate=-Wl,-T,{root}/{ORDER}");
    }
}
