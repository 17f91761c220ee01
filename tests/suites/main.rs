//! Every suite, in one binary.

mod age;
mod agents;
mod buffers;
mod bundles;
mod certificates;
mod clients;
mod cuts;
mod demo;
mod differential;
mod enrolment;
mod faults;
mod house;
mod large;
mod life;
mod matrix;
mod network;
mod oracle;
mod order;
mod policy;
mod proofs;
mod protocol;
mod renewal;
mod rights;
mod serial;
mod starters;
mod time;
