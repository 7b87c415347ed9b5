//! The command line: one module per verb (CONTRACT section 1).
//!
//! Exit codes: 0 done, 1 the verb found or met an error, 2 unusable arguments.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use http::StatusCode;

use crate::domain::time::UtcTime;

pub mod check;
pub mod demo;
pub mod diff;
pub mod docs;
pub mod explain;
pub mod infer;
pub mod run;
pub mod schema;

/// Exit code for arguments or a file that cannot be used.
const UNUSABLE: u8 = 2;

/// An API gateway that keeps every API version alive until its last caller has left.
#[derive(Clone, Debug, Parser)]
#[command(name = "vergate", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Serve until SIGTERM or SIGINT, which drain; SIGHUP reloads.
    Run(RunArgs),
    /// Verify a configuration and list everything that is wrong with it.
    Check(CheckArgs),
    /// Show how one request would be treated, without any network traffic.
    Explain(ExplainArgs),
    /// Name what a newer version breaks, and whether the changes heal it.
    Diff(DiffArgs),
    /// Write guides, changelogs and OpenAPI documents of older versions.
    Docs(DocsArgs),
    /// Propose a first change from examples of two versions.
    Infer(InferArgs),
    /// See it work: sample backends and the gateway on the example configuration.
    Demo(DemoArgs),
    /// Print the JSON Schema (2020-12) of gateway.yaml, for editors.
    Schema(SchemaArgs),
    /// Print a completion script.
    Completions(CompletionsArgs),
    /// Print the manual page.
    Man,
}

/// `vergate run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "gateway.yaml")]
    pub config: PathBuf,
    /// Take the place of the gateway at `admin.takeover`, without a connection lost; start as usual if there is none.
    #[arg(long)]
    pub takeover: bool,
}

/// `vergate check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "gateway.yaml")]
    pub config: PathBuf,
    /// Show each version's phase on this day: 2027-06-01 (midnight UTC) or an RFC 3339 time.
    #[arg(long, value_name = "DATE", value_parser = UtcTime::parse)]
    pub at: Option<UtcTime>,
    /// Print a JSON array of findings; with --at an object {findings, versions}.
    #[arg(long)]
    pub json: bool,
}

/// `vergate explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "gateway.yaml")]
    pub config: PathBuf,
    /// Explain for this day: 2027-06-01 (midnight UTC) or an RFC 3339 time.
    #[arg(long, value_name = "DATE", value_parser = UtcTime::parse)]
    pub at: Option<UtcTime>,
    /// The request's method; GET, or POST where a body is given.
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    pub method: Option<String>,
    /// The request's URL, or its path alone.
    #[arg(value_name = "URL")]
    pub url: String,
    /// A request header; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// A request body, @FILE, or - for stdin; shown as it came and as it is sent on.
    #[arg(short, long, value_name = "BODY", allow_hyphen_values = true)]
    pub data: Option<String>,
    /// A body the upstream answers with, @FILE, or - for stdin; shown as it came and as the client gets it.
    #[arg(short, long, value_name = "BODY", allow_hyphen_values = true)]
    pub response: Option<String>,
    /// The status the upstream answers with.
    #[arg(long, value_name = "STATUS", default_value = "200", value_parser = status, requires = "response")]
    pub status: StatusCode,
    /// A header of that answer; may be repeated.
    #[arg(short = 'R', long = "response-header", value_name = "NAME: VALUE", requires = "response")]
    pub response_headers: Vec<String>,
    /// Show the body after every single op.
    #[arg(short, long)]
    pub verbose: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `vergate diff`.
#[derive(Clone, Debug, Args)]
pub struct DiffArgs {
    /// The older version: its name, or its OpenAPI document.
    #[arg(value_name = "OLDER")]
    pub older: String,
    /// The newer version: its name, or its OpenAPI document.
    #[arg(value_name = "NEWER")]
    pub newer: String,
    /// The configuration with the changes; gateway.yaml where versions are named.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The API, where several have these versions.
    #[arg(long, value_name = "NAME")]
    pub api: Option<String>,
    /// Show what breaks nothing, too.
    #[arg(long)]
    pub all: bool,
    /// Print a JSON array of differences.
    #[arg(long)]
    pub json: bool,
}

/// `vergate docs`.
#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("what").args(["guide", "changelog", "openapi", "out"]).required(true))]
pub struct DocsArgs {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "gateway.yaml")]
    pub config: PathBuf,
    /// The API, where there are several.
    #[arg(long, value_name = "NAME")]
    pub api: Option<String>,
    /// Print the migration guide from this version.
    #[arg(long, value_name = "VERSION")]
    pub guide: Option<String>,
    /// The version the guide leads to; the newest if not given.
    #[arg(long, value_name = "VERSION", requires = "guide")]
    pub to: Option<String>,
    /// Print the changelog.
    #[arg(long)]
    pub changelog: bool,
    /// Print the OpenAPI document of this version, derived from the nearest newer one that names a document.
    #[arg(long, value_name = "VERSION")]
    pub openapi: Option<String>,
    /// Write everything into this folder: a changelog, guides and derived documents for each API.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Write nothing; exit 1 if a file in the folder is not what would be written.
    #[arg(long, requires = "out")]
    pub check: bool,
    /// Print JSON: {name: text} of what would be printed or written.
    #[arg(long)]
    pub json: bool,
}

/// `vergate infer`.
#[derive(Clone, Debug, Args)]
pub struct InferArgs {
    /// A JSON document of the older version, which may be repeated, each with its --to; or its OpenAPI document.
    #[arg(long, value_name = "FILE", required = true)]
    pub from: Vec<PathBuf>,
    /// The same document in the newer version; or its OpenAPI document.
    #[arg(long, value_name = "FILE", required = true)]
    pub to: Vec<PathBuf>,
    /// The operation whose bodies these are.
    #[arg(long, value_name = "METHOD /PATH", default_value = "POST /")]
    pub operation: String,
    /// The documents are response bodies (2xx); else they are request bodies.
    #[arg(long)]
    pub response: bool,
    /// The older version; 1, or what its OpenAPI document says, if not given.
    #[arg(long, value_name = "VERSION")]
    pub older: Option<String>,
    /// The newer version; 2, or what its OpenAPI document says, if not given.
    #[arg(long, value_name = "VERSION")]
    pub newer: Option<String>,
    /// The change's name; OLDER-to-NEWER if not given.
    #[arg(long, value_name = "NAME")]
    pub change: Option<String>,
    /// Print JSON: {yaml, ops, unsure, not_reached}.
    #[arg(long)]
    pub json: bool,
}

/// `vergate demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Call the gateway, print the answers and exit: 0 if they are right, else 1.
    #[arg(long)]
    pub once: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `vergate schema`.
#[derive(Clone, Debug, Args)]
pub struct SchemaArgs {
    /// Accepted for uniformity: the schema is JSON anyway.
    #[arg(long)]
    pub json: bool,
}

/// `vergate completions`.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell to complete in.
    pub shell: clap_complete::Shell,
}

fn status(text: &str) -> Result<StatusCode, &'static str> {
    let status = text.parse().ok().filter(|status: &StatusCode| (100..600).contains(&status.as_u16()));
    status.ok_or("a status is a number from 100 to 599")
}

/// Does what the command line asks for.
pub fn execute(cli: Cli) -> ExitCode {
    match cli.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Diff(args) => diff::run(&args),
        Verb::Docs(args) => docs::run(&args),
        Verb::Infer(args) => infer::run(&args),
        Verb::Demo(args) => demo::run(&args),
        Verb::Schema(_) => schema::run(),
        Verb::Completions(args) => schema::completions(&args),
        Verb::Man => schema::man(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
