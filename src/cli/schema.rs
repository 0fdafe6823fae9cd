//! `ketch schema`: the JSON Schema of the configuration.

use crate::config;

/// Prints the schema.
///
/// # Errors
/// When stdout cannot be written to.
pub(super) fn run() -> anyhow::Result<()> {
    super::print(&format!("{:#}\n", config::schema()))
}
