//! `doorward`: a zero-trust access gateway for devices. See `doorward --help`.
//!
//! This crate connects the rooms ([`assemble`]), runs them ([`supervise`]), and has the commands
//! ([`cli`]). It makes no access decision itself.

mod assemble;
mod cli;
mod clock;
mod config;
mod data_directory;
mod demo;
mod failure;
mod host;
mod log;
mod server_key;
mod supervise;

use std::process::ExitCode;

fn main() -> ExitCode {
    doorward_local::keep_programs(&[]).unwrap_or_else(cli::main)
}
