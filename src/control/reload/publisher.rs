//! Carries out reloads, one at a time.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::file::FileWatch;
use super::report::{Cause, Outcome, Refusal, Report};
use super::{Loaded, Order, Reloader, Source};
use crate::config::{Config, Protocol};
use crate::topology::{Current, Draft, Plan};

/// How many keys are counted, where the moves of a distribution can only be counted: before a dry run's answer, and
/// before a change, which nobody is to wait for.
const SAMPLES_DRY: u32 = 1_000_000;
const SAMPLES: u32 = 10_000;

/// What a change of the configuration means outside of the topology: who listens where.
pub trait Stage {
    /// What is ready to be put in force; dropped, nothing has changed.
    type Ready;

    /// Makes ready what `config` says and may fail.
    ///
    /// # Errors
    /// Why it cannot be had; nothing has changed.
    fn prepare(&mut self, config: &Config) -> impl Future<Output = anyhow::Result<Self::Ready>>;

    /// Puts it in force, right after the topology; what is no more is gone when it ends.
    fn commit(&mut self, ready: Self::Ready) -> impl Future<Output = ()>;
}

/// The task that reads the file again.
pub struct Publisher {
    source: Source,
    current: Current,
    orders: UnboundedReceiver<Order>,
    report: Arc<Mutex<Report>>,
    hangups: Signal,
    watch: Option<FileWatch>,
    /// The hash of the last text that was tried, or nothing when it could not be read.
    tried: Option<String>,
}

impl Publisher {
    /// Begins to hear of changes; `loaded` is what `current` was made of. Nothing is done before [`Publisher::run`].
    ///
    /// # Errors
    /// When the handler of `SIGHUP` cannot be installed.
    pub fn new(source: Source, loaded: &Loaded, current: Current) -> io::Result<(Self, Reloader)> {
        let (sender, orders) = unbounded_channel();
        let report = Arc::new(Mutex::new(Report::new(loaded.hash.clone())));
        let reloader = Reloader { orders: sender, report: report.clone() };
        let watch = source.path.as_deref().and_then(|path| {
            let watch = FileWatch::start(path);
            watch
                .inspect_err(|error| tracing::warn!(%error, "cannot watch the configuration; SIGHUP still reloads it"))
                .ok()
        });
        let hangups = signal(SignalKind::hangup())?;
        let tried = Some(loaded.hash.clone());
        Ok((Self { source, current, orders, report, hangups, watch, tried }, reloader))
    }

    /// Carries out what comes, for ever.
    pub async fn run(mut self, stage: &mut impl Stage) -> Infallible {
        loop {
            let changed = async {
                match &mut self.watch {
                    Some(watch) => watch.changed().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                Some(order) = self.orders.recv() => {
                    let result = match order.dry_run {
                        true => self.rehearse().await,
                        false => self.reload(Cause::Request, stage).await,
                    };
                    let _ = order.answer.send(result); // who asked need not wait
                }
                _ = self.hangups.recv() => drop(self.reload(Cause::Signal, stage).await),
                () = changed => self.follow_file(stage).await,
            }
        }
    }

    /// The file was touched: it is read, and where it reads as when it was last tried, nothing happens.
    async fn follow_file(&mut self, stage: &mut impl Stage) {
        let hash = self.source.read().ok().map(|text| super::file::hash(&text));
        if hash != self.tried {
            let _ = self.reload(Cause::File, stage).await; // the log and the report tell of it
        }
    }

    async fn reload(&mut self, cause: Cause, stage: &mut impl Stage) -> Result<Outcome, Refusal> {
        let result = self.replace(stage).await;
        match &result {
            Ok(outcome) => tell(cause, outcome),
            Err(refusal @ Refusal::NoFile) => {
                tracing::warn!(?cause, "{refusal}");
                return result; // nothing was tried, so nothing has failed
            }
            Err(refusal) => {
                let reason = refusal.label();
                let error = refusal.to_string().replace('\n', "; "); // one event, one line
                tracing::error!(?cause, reason, %error, "the configuration is not reloaded, the last one stays");
            }
        }
        self.report.lock().unwrap_or_else(PoisonError::into_inner).note(cause, result.clone());
        result
    }

    async fn replace(&mut self, stage: &mut impl Stage) -> Result<Outcome, Refusal> {
        let text = self.source.read();
        self.tried = text.as_deref().ok().map(super::file::hash);
        let (config, notes, hash) = self.check(&text?)?;
        let before = self.current.topology();
        let impossible = |error: anyhow::Error| Refusal::Impossible(format!("{error:#}"));
        let plan = Plan::between(before.config(), &config, SAMPLES).map_err(impossible)?;
        let draft = Draft::build(&config, Some(&before)).map_err(impossible)?;
        let ready = stage.prepare(&config).await.map_err(impossible)?;
        self.current.publish(draft);
        stage.commit(ready).await;
        Ok(Outcome { dry_run: false, config_hash: hash, plan, notes })
    }

    /// What a reload would come to now. What only trying shows, as an address that is taken, it does not see.
    async fn rehearse(&self) -> Result<Outcome, Refusal> {
        let (config, notes, hash) = self.check(&self.source.read()?)?;
        let before = self.current.topology().config().clone();
        let counted = tokio::task::spawn_blocking(move || Plan::between(&before, &config, SAMPLES_DRY)).await;
        let plan = counted.map_err(anyhow::Error::from).and_then(|plan| plan);
        let plan = plan.map_err(|error| Refusal::Impossible(format!("{error:#}")))?;
        Ok(Outcome { dry_run: true, config_hash: hash, plan, notes })
    }

    /// The configuration as this process can have it, what it cannot change, and the text's hash.
    fn check(&self, text: &str) -> Result<(Arc<Config>, Vec<String>, String), Refusal> {
        let Loaded { mut config, hash } = self.source.parse(text)?;
        let before = self.current.topology();
        let notes = notes(before.config(), &config);
        config.workers = before.config().workers;
        Ok((Arc::new(config), notes, hash))
    }
}

/// What a running process keeps, and what it loses.
fn notes(before: &Config, after: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    if before.workers != after.workers {
        let (runs, wanted) = (before.workers, after.workers);
        notes.push(format!("workers: {runs} run on; restart ketch for {wanted}"));
    }
    let value_size = before.limits.value_size != after.limits.value_size;
    for pool in after.pools.iter().filter(|pool| pool.protocol == Protocol::Embedded) {
        let earlier =
            before.pools.iter().find(|earlier| earlier.name == pool.name && earlier.protocol == pool.protocol);
        if earlier.is_some_and(|earlier| value_size || earlier.memory != pool.memory) {
            notes.push(format!("pools.{}: its embedded nodes have other sizes now and begin empty", pool.name));
        }
    }
    notes
}

/// One line of log for the change, and one for whatever a person should know of it.
fn tell(cause: Cause, outcome: &Outcome) {
    let plan = &outcome.plan;
    let changed: Vec<String> = plan.pools.iter().filter(|pool| !pool.is_empty()).map(ToString::to_string).collect();
    let (routes, settings) = (plan.routes.len(), plan.settings.join(" "));
    let (hash, pools) = (&outcome.config_hash, changed.join("; "));
    match plan.is_empty() {
        true => tracing::info!(?cause, hash, "configuration reloaded: nothing has changed"),
        false => tracing::info!(?cause, hash, pools, routes, settings, "configuration reloaded"),
    }
    plan.warnings.iter().chain(&outcome.notes).for_each(|warning| tracing::warn!("{warning}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "workers: 3\npools: {main: {nodes: [a:1, b:1]}}\n";

    /// Says yes or no, and counts.
    #[derive(Default)]
    struct Fake {
        refuses: bool,
        committed: usize,
    }

    impl Stage for Fake {
        type Ready = usize;

        async fn prepare(&mut self, config: &Config) -> anyhow::Result<usize> {
            anyhow::ensure!(!self.refuses, "no door opens");
            Ok(config.pools[0].nodes.len())
        }

        async fn commit(&mut self, nodes: usize) {
            self.committed += nodes;
        }
    }

    struct Set {
        folder: tempfile::TempDir,
        publisher: Publisher,
        reloader: Reloader,
        current: Current,
    }

    impl Set {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("ketch.yaml");
            std::fs::write(&path, FIRST).unwrap();
            let source = Source { path: Some(path), workers: None };
            let loaded = source.load().unwrap();
            let current = Current::new(Draft::build(&Arc::new(loaded.config.clone()), None).unwrap());
            let (publisher, reloader) = Publisher::new(source, &loaded, current.clone()).unwrap();
            Self { folder, publisher, reloader, current }
        }

        fn write(&self, text: &str) {
            std::fs::write(self.folder.path().join("ketch.yaml"), text).unwrap();
        }

        fn nodes(&self) -> usize {
            self.current.topology().pools()[0].nodes().len()
        }
    }

    #[tokio::test]
    async fn a_dry_run_tells_and_changes_nothing() {
        let set = Set::new();
        let hash = set.reloader.report().hash;
        set.write(&FIRST.replace("b:1", "b:1, c:1"));
        let outcome = set.publisher.rehearse().await.unwrap();
        assert!(outcome.dry_run && outcome.config_hash != hash);
        let moves = outcome.plan.pools[0].moves;
        assert!((0.25..0.42).contains(&moves), "{moves}");
        let report = set.reloader.report();
        assert_eq!((set.nodes(), report.done, report.refused, report.hash), (2, 0, 0, hash));
    }

    #[tokio::test]
    async fn a_reload_is_put_in_force_whole_and_noted() {
        let (mut set, mut stage) = (Set::new(), Fake::default());
        set.write(&FIRST.replace("b:1", "b:1, c:1").replace("3", "4"));
        let outcome = set.publisher.reload(Cause::Signal, &mut stage).await.unwrap();
        assert_eq!((set.nodes(), stage.committed, outcome.notes.len()), (3, 3, 1), "{:?}", outcome.notes);
        let report = set.reloader.report();
        assert_eq!((report.done, report.refused, report.hash), (1, 0, outcome.config_hash));
        assert_eq!(report.last.map(|last| last.cause), Some(Cause::Signal));
        assert_eq!(set.current.topology().config().workers, 3);
    }

    #[tokio::test]
    async fn what_is_refused_changes_nothing_and_is_noted() {
        let (mut set, mut stage) = (Set::new(), Fake { refuses: true, ..Fake::default() });
        let hash = set.reloader.report().hash;
        set.write(&FIRST.replace("b:1", "b:1, c:1"));
        let refusal = set.publisher.reload(Cause::File, &mut stage).await.unwrap_err();
        assert_eq!((refusal.label(), refusal.to_string().as_str()), ("impossible", "no door opens"));
        set.write("pools: {main: {nodes: []}}");
        let Err(Refusal::Invalid(problems)) = set.publisher.reload(Cause::Request, &mut stage).await else {
            panic!("it is not valid")
        };
        assert_eq!(problems[0].field, "pools.main.nodes");
        let report = set.reloader.report();
        assert_eq!((set.nodes(), stage.committed, report.done, report.refused, report.hash), (2, 0, 0, 2, hash));
        assert!(report.last.unwrap().result.is_err());
    }

    #[tokio::test]
    async fn without_a_file_there_is_nothing_to_read_again() {
        let source = Source::default();
        let loaded = source.load().unwrap();
        let current = Current::new(Draft::build(&Arc::new(loaded.config.clone()), None).unwrap());
        let (mut publisher, reloader) = Publisher::new(source, &loaded, current).unwrap();
        assert_eq!(publisher.rehearse().await, Err(Refusal::NoFile));
        assert_eq!(publisher.reload(Cause::Signal, &mut Fake::default()).await, Err(Refusal::NoFile));
        assert_eq!(reloader.report().refused, 0, "no alert is to fire");
    }
}
