//! The limit of open files: every client and every connection to a node is one.

/// What the process needs beside clients and nodes: listeners, epoll, standard streams, files.
const SPARE: u64 = 64;

/// Raises the soft limit to the hard one, and warns when even that is too low for `clients` clients and `nodes`
/// connections to nodes.
pub fn raise(clients: usize, nodes: usize) {
    let needed = (clients + nodes) as u64 + SPARE;
    let limit = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => limit,
        Err(error) => return tracing::warn!(%error, "cannot raise the limit of open files"),
    };
    if limit < needed {
        tracing::warn!(
            limit,
            needed,
            "the limit of open files is too low for limits.connections: raise it (ulimit -n, LimitNOFILE=) or lower limits.connections"
        );
    }
}
