//! Every suite, in one binary.

mod clients;
mod cuts;
mod house;
mod matrix;
mod oracle;
mod policy;
mod rights;
