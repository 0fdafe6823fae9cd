//! Hears that the file may have changed.

use std::ffi::OsStr;
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
    watcher: RecommendedWatcher,
    path: PathBuf,
    /// The directory that the target is in, when that is not the path's own.
    elsewhere: Option<PathBuf>,
    /// When what has changed is to be read at the latest.
    latest: Option<Instant>,
    events: UnboundedReceiver<()>,
}

impl FileWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the operating system has no watches left, or the directory is gone.
    pub(super) fn start(path: &Path) -> notify::Result<Self> {
        let (sender, events) = unbounded_channel();
        let ours = path.to_owned();
        let is_ours = move |path: &PathBuf| {
            let is_named = |name: &OsStr| [ours.file_name(), target(&ours).file_name()].contains(&Some(name));
            // Kubernetes renames `..data`, which the file's own link goes through.
            path.file_name().is_none_or(|name| name == "..data" || is_named(name))
        };
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let may_matter = event.map_or(true, |event| {
                !matches!(event.kind, EventKind::Access(_)) && (event.need_rescan() || event.paths.iter().any(&is_ours))
            });
            if may_matter {
                let _ = sender.send(()); // the receiver is gone when the process ends
            }
        })?;
        watcher.watch(folder(path), RecursiveMode::NonRecursive)?;
        let mut watch = Self { watcher, path: path.to_owned(), elsewhere: None, latest: None, events };
        watch.follow_target();
        Ok(watch)
    }

    /// Watches where the file really is. A directory that is gone, or cannot be watched, is left to the link's events.
    fn follow_target(&mut self) {
        let target = target(&self.path);
        let folder = Some(folder(&target)).filter(|folder| folder.canonicalize().ok() != self.home());
        if self.elsewhere.as_deref() == folder {
            return;
        }
        if let Some(before) = self.elsewhere.take() {
            let _ = self.watcher.unwatch(&before);
        }
        self.elsewhere = folder.map(Path::to_owned);
        if let Some(folder) = folder {
            let _ = self.watcher.watch(folder, RecursiveMode::NonRecursive);
        }
    }

    fn home(&self) -> Option<PathBuf> {
        folder(&self.path).canonicalize().ok()
    }

    /// Waits until something has changed and come to rest. Cancel safe: the next call goes on waiting for the rest.
    pub(super) async fn changed(&mut self) {
        if self.latest.is_none() && self.events.recv().await.is_none() {
            return std::future::pending().await;
        }
        let latest = *self.latest.get_or_insert_with(|| Instant::now() + LATEST);
        while let Ok(Some(())) = timeout_at(latest.min(Instant::now() + QUIET), self.events.recv()).await {}
        self.latest = None;
        self.follow_target();
    }
}

/// What the path comes to behind all links; itself while it is not there.
fn target(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
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
