//! Hears that the file may have changed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

/// Who writes a file makes several events; when nothing more came for so long, it is read.
const QUIET: Duration = Duration::from_millis(50);
/// But no later than so long after the first.
const LATEST: Duration = Duration::from_millis(500);

/// A watch over a file, by the directories that its name and its target are in: an editor that renames and a
/// Kubernetes ConfigMap that swaps a symbolic link leave the watched file itself without any event.
pub(super) struct FileWatch {
    _watcher: RecommendedWatcher,
    events: UnboundedReceiver<()>,
}

impl FileWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the operating system has no watches left, or the directory is gone.
    pub(super) fn start(path: &Path) -> notify::Result<Self> {
        let (sender, events) = unbounded_channel();
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let names = [path.file_name(), target.file_name()].map(|name| name.map(ToOwned::to_owned));
        let is_ours = move |path: &PathBuf| {
            // Kubernetes renames `..data`, which the file's own link goes through.
            path.file_name().is_none_or(|name| name == "..data" || names.iter().flatten().any(|ours| ours == name))
        };
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let may_matter = event.map_or(true, |event| {
                !matches!(event.kind, EventKind::Access(_)) && (event.need_rescan() || event.paths.iter().any(&is_ours))
            });
            if may_matter {
                let _ = sender.send(()); // the receiver is gone when the process ends
            }
        })?;
        let folders = [path, &target].map(folder);
        watcher.watch(folders[0], RecursiveMode::NonRecursive)?;
        if folders[1] != folders[0] {
            watcher.watch(folders[1], RecursiveMode::NonRecursive)?;
        }
        Ok(Self { _watcher: watcher, events })
    }

    /// Waits until something has changed and come to rest. Cancel safe but for the rest: a change is not lost, and
    /// may be told at once.
    pub(super) async fn changed(&mut self) {
        if self.events.recv().await.is_none() {
            return std::future::pending().await;
        }
        let latest = Instant::now() + LATEST;
        while let Ok(Some(())) = timeout_at(latest.min(Instant::now() + QUIET), self.events.recv()).await {}
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A hash of a text: 16 hexadecimal digits.
pub(super) fn hash(text: &str) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
}
