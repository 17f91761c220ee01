//! `doorward`: a zero-trust access gateway for devices. See `doorward --help`.
//!
//! This crate wires the rooms together ([`assemble`]), keeps them going ([`supervise`]), and
//! is what people type ([`cli`]). It decides nothing itself.

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
