//! `ketch completions` and `ketch man`: what packages bring along, made of the arguments themselves.

use clap::Command;
use clap_complete::Shell;

/// The arguments of `ketch completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// For which shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the completions of a shell.
///
/// # Errors
/// When stdout cannot be written to.
pub(super) fn completions(args: &Completions, mut command: Command) -> anyhow::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "ketch", &mut text);
    super::print(&String::from_utf8_lossy(&text))
}

/// Prints the page of the manual, every subcommand in it.
///
/// # Errors
/// When stdout cannot be written to.
pub(super) fn man(mut command: Command) -> anyhow::Result<()> {
    command.build();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    for subcommand in command.get_subcommands() {
        let man = clap_mangen::Man::new(subcommand.clone());
        let title = subcommand.get_name().to_uppercase();
        text.extend_from_slice(format!(".SH \"KETCH {title}\"\n").as_bytes());
        man.render_description_section(&mut text)?;
        man.render_options_section(&mut text)?;
    }
    super::print(&String::from_utf8_lossy(&text))
}
