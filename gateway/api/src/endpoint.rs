//! Every request as a type. `doorward_api::endpoint::AddDevice` stands for `POST
//! /v1/devices/{name}`: it names the row of the table and the JSON types of body and answer.

pub use crate::route::table::*;
