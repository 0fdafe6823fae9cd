//! The coalescing table, through the door that requests take: reads that nothing was sent of yet.
//!
//! The table is the difference between distinct reads with it and without; a joined read is one that found its like.

use std::rc::Rc;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use ketch::config::Config;
use ketch::memory::Memory;
use ketch::metrics::Hub;
use ketch::model::{Receive, Reply, ReplyTo, Request};
use ketch::route::Lane;
use ketch::topology::Draft;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::sample::get;

/// Reads that are open at once.
const READS: usize = 256;

/// Nobody, who takes all answers.
struct Deaf;

impl Receive for Deaf {
    fn receive(&self, _: u64, _: Reply) {}
}

/// So many reads into a lane whose node has not been written to.
pub fn dispatch(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).expect("a runtime");
    let mut group = criterion.benchmark_group("coalescing");
    group.throughput(Throughput::Elements(READS as u64));
    let distinct: Vec<Rc<Request>> = (0..READS).map(|number| get(number).into()).collect();
    let same: Vec<Rc<Request>> = (0..READS).map(|_| get(1).into()).collect();
    for (name, coalesce, reads) in
        [("distinct reads, off", false, &distinct), ("distinct reads", true, &distinct), ("joined reads", true, &same)]
    {
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || (lane(&runtime, coalesce), reads.clone(), Rc::new(Deaf)),
                |(lane, reads, deaf)| {
                    for read in reads.drain(..) {
                        lane.dispatch(read, ReplyTo::new(deaf.clone(), 0));
                    }
                },
                BatchSize::LargeInput,
            );
        });
    }
}

/// A worker's way into a pool of one node that is not there: what is asked of it waits.
fn lane(runtime: &LocalRuntime, coalesce: bool) -> Lane {
    let text = format!(
        "pools: {{ main: {{ protocol: memcached, nodes: [\"unix:/nowhere\"], coalesce: {coalesce} }} }}\n\
         routes: [{{ pool: main }}]\n"
    );
    let config = Arc::new(Config::parse(&text, "a bench").expect("a valid configuration"));
    let draft = Draft::build(&config, None).expect("a ring of one");
    let hub = Hub::new(1);
    let memory = Memory::new(config.limits.memory, hub.worker(0));
    let pool = draft.topology().pools()[0].clone();
    runtime.block_on(async {
        tokio::task::yield_now().await; // the connections of earlier lanes find that they are not needed
        Lane::open(pool, None, (&hub, 0), &memory, None)
    })
}
