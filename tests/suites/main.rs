//! Every suite, in one binary.

mod clients;
mod cuts;
mod house;
mod matrix;
