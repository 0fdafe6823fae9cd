//! Makes a node forget what was written elsewhere while it was out, and lets it in again.
//!
//! Its stand-ins forget the same keys afterwards: should it be out once more, they must not answer with what they
//! were told this time.

use std::collections::HashMap;
use std::io;

use crate::backend::{Amends, Errand, Node, Readmission};
use crate::model::{Key, MetaStatus, Reply, Request};
use crate::route::Pool;

/// So often in a row an instant is looked for in which the node knows of every write. Under writes without a pause
/// there is none where the way to the node is long; then it is let in but for the keys that it has yet to forget.
const LOOKS: usize = 8;

/// Lets node `index` of `pool` in, once it has nothing that is out of date.
///
/// # Errors
/// When it cannot be told what to forget; it stays out.
pub async fn readmit(pool: &Pool, index: usize) -> io::Result<()> {
    let node = &pool.nodes()[index];
    let mut forgotten = Vec::new();
    match node.settings().readmission {
        Readmission::Keep => {}
        Readmission::Flush => flush(&mut Errand::to(node).await?).await?,
        Readmission::Replay if is_empty(node).await => forgotten.extend(node.forgive()),
        Readmission::Replay => {}
    }
    let mut errand = None;
    // Writes go on meanwhile: each look takes what came since the last.
    for look in 0.. {
        let step = if look < LOOKS { node.readmit().map(|()| None) } else { node.join().map(Some) };
        match step {
            Ok(None) => break,
            Ok(Some(keys)) => {
                delete(reach(&mut errand, node).await?, &keys).await?;
                if !node.admit() {
                    return Ok(()); // it was put out again, and still has to forget them
                }
                forgotten.push(Amends::Delete(keys));
                break;
            }
            Err(amends) => {
                make(&amends, &mut errand, node).await.inspect_err(|_| restore(node, &amends))?;
                forgotten.push(amends);
            }
        }
    }
    let keys = |amends| match amends {
        Amends::Delete(keys) => keys,
        Amends::Flush => Vec::new(), // nobody knows them
    };
    let keys: Vec<_> = forgotten.into_iter().flat_map(keys).collect();
    tracing::debug!(pool = node.pool, node = node.name, keys = keys.len(), "keys written elsewhere are deleted");
    clean_stand_ins(pool, index, keys).await;
    Ok(())
}

/// Whether the node has nothing from before it was put out.
async fn is_empty(node: &Node) -> bool {
    let Some(since) = node.health.out_since() else { return false };
    let empty = async { Errand::to(node).await?.is_empty(since.elapsed()).await };
    empty.await.unwrap_or(false)
}

async fn make<'a>(amends: &Amends, errand: &mut Option<Errand<'a>>, node: &'a Node) -> io::Result<()> {
    let errand = reach(errand, node).await?;
    match amends {
        Amends::Flush => flush(errand).await.inspect_err(|error| stays_out(node, error)),
        Amends::Delete(keys) => delete(errand, keys).await,
    }
}

/// The errand that is under way, or else a new one.
async fn reach<'a, 'b>(errand: &'b mut Option<Errand<'a>>, node: &'a Node) -> io::Result<&'b mut Errand<'a>> {
    match errand {
        Some(errand) => Ok(errand),
        none => Ok(none.insert(Errand::to(node).await?)),
    }
}

/// Tells whoever looks after a node that may not be flushed what it waits for.
fn stays_out(node: &Node, error: &io::Error) {
    tracing::warn!(pool = node.pool, node = node.name, %error, "node stays out until it is flushed");
}

async fn flush(errand: &mut Errand<'_>) -> io::Result<()> {
    expect(&errand.ask(&[Request::FlushAll { delay: None }]).await?, |reply| *reply == Reply::Ok)
}

async fn delete(errand: &mut Errand<'_>, keys: &[Key]) -> io::Result<()> {
    let requests: Vec<_> = keys.iter().map(Request::forget).collect();
    let is_gone = |reply: &Reply| match reply {
        Reply::Meta(meta) => matches!(meta.status, MetaStatus::Done | MetaStatus::NotFound),
        reply => matches!(reply, Reply::Deleted | Reply::NotFound),
    };
    expect(&errand.ask(&requests).await?, is_gone)
}

fn expect(replies: &[Reply], good: impl Fn(&Reply) -> bool) -> io::Result<()> {
    match replies.iter().find(|reply| !good(reply)) {
        None => Ok(()),
        Some(reply) => Err(io::Error::other(format!("the node answered {reply:?}"))),
    }
}

/// What could not be made good is noted again.
fn restore(node: &Node, amends: &Amends) {
    match amends {
        Amends::Flush => {
            let _ = node.note_write(None);
        }
        Amends::Delete(keys) => {
            for key in keys {
                let _ = node.note_write(Some(key));
            }
        }
    }
}

/// Deletes keys where they were written while node `index` was out. A stand-in that cannot be asked has failed
/// itself, and makes its own amends.
async fn clean_stand_ins(pool: &Pool, index: usize, keys: Vec<Key>) {
    let mut by_stand_in = HashMap::<usize, Vec<Key>>::new();
    for key in keys {
        let hash = pool.ring().hash(key.as_bytes());
        if let Some(stand_in) = pool.stand_in(hash, &key, index) {
            by_stand_in.entry(stand_in).or_default().push(key);
        }
    }
    for (stand_in, keys) in by_stand_in {
        let node = &pool.nodes()[stand_in];
        let cleaned = async { delete(&mut Errand::to(node).await?, &keys).await };
        if let Err(error) = cleaned.await {
            tracing::debug!(pool = node.pool, node = node.name, %error, "a stand-in keeps what it was told");
        }
    }
}
