//! New migration files are not noticed by themselves: they are embedded by a macro.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations/realtime");
}
