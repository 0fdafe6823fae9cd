//! What the parts of a request's way cost by themselves.
//!
//! ```text
//! cargo bench --bench parts                   everything
//! cargo bench --bench parts -- decode         what has this in its name
//! cargo bench --bench parts -- --quick        sooner, and less exact
//! ```
//!
//! Each part is measured as the way of a request uses it, through doors that the library has anyway. Times are of this
//! machine and its mood, and everything is in the processor's nearest cache: they tell one algorithm from another and a
//! change from what was before, not what a request costs. For that there are `tests/run instructions`, which counts the
//! instructions of the whole way, and `cargo bench --bench side_by_side`.

#![allow(missing_docs, reason = "a program, not a library")]

mod coalescing;
mod histogram;
mod ring;
mod sample;
mod wire;

fn main() {
    let mut criterion = criterion::Criterion::default().configure_from_args();
    wire::decode(&mut criterion);
    wire::encode(&mut criterion);
    ring::hash(&mut criterion);
    ring::look_up(&mut criterion);
    coalescing::dispatch(&mut criterion);
    histogram::count(&mut criterion);
    criterion.final_summary();
}
