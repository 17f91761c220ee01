//! A PLC that speaks Modbus/TCP: a few holding registers, input registers and coils.

use std::future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response};

use crate::failure::CommandFailure;

/// How many registers and how many coils there are.
const SIZE: usize = 200;

struct Tables {
    holding: Vec<u16>,
    coils: Vec<bool>,
}

#[derive(Clone)]
struct Plc(Arc<Mutex<Tables>>);

pub(super) async fn start() -> Result<SocketAddr, CommandFailure> {
    let failed = |error| CommandFailure::new(format!("the PLC cannot listen: {error}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let ramp = (0..SIZE).filter_map(|n| u16::try_from(n * 10).ok()).collect();
    let plc = Plc(Arc::new(Mutex::new(Tables { holding: ramp, coils: vec![false; SIZE] })));
    tokio::spawn(async move {
        let server = Server::new(listener);
        let connected = |stream, peer| {
            let plc = plc.clone();
            async move { accept_tcp_connection(stream, peer, move |_| Ok(Some(plc.clone()))) }
        };
        let failed = |error| tracing::debug!(%error, "a Modbus client went away");
        if let Err(error) = server.serve(&connected, failed).await {
            tracing::warn!(%error, "the PLC stopped");
        }
    });
    Ok(address)
}

fn part<T: Clone>(all: &[T], address: u16, count: u16) -> Result<Vec<T>, ExceptionCode> {
    let start = usize::from(address);
    let wanted = all.get(start..start + usize::from(count));
    wanted.map(<[T]>::to_vec).ok_or(ExceptionCode::IllegalDataAddress)
}

fn set<T: Clone>(all: &mut [T], address: u16, values: &[T]) -> Result<(), ExceptionCode> {
    let start = usize::from(address);
    let slots = all.get_mut(start..start + values.len());
    slots.ok_or(ExceptionCode::IllegalDataAddress)?.clone_from_slice(values);
    Ok(())
}

fn count<T>(values: &[T]) -> u16 {
    u16::try_from(values.len()).unwrap_or(u16::MAX)
}

impl Service for Plc {
    type Request = Request<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = future::Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        #[expect(clippy::wildcard_enum_match_arm, reason = "this PLC has no other function")]
        let answer = match request {
            Request::ReadHoldingRegisters(at, n) => {
                part(&tables.holding, at, n).map(Response::ReadHoldingRegisters)
            }
            Request::ReadInputRegisters(at, n) => {
                part(&tables.holding, at, n).map(Response::ReadInputRegisters)
            }
            Request::ReadCoils(at, n) => part(&tables.coils, at, n).map(Response::ReadCoils),
            Request::ReadDiscreteInputs(at, n) => {
                part(&tables.coils, at, n).map(Response::ReadDiscreteInputs)
            }
            Request::WriteSingleRegister(at, value) => set(&mut tables.holding, at, &[value])
                .map(|()| Response::WriteSingleRegister(at, value)),
            Request::WriteSingleCoil(at, value) => {
                set(&mut tables.coils, at, &[value]).map(|()| Response::WriteSingleCoil(at, value))
            }
            Request::WriteMultipleRegisters(at, values) => set(&mut tables.holding, at, &values)
                .map(|()| Response::WriteMultipleRegisters(at, count(&values))),
            Request::WriteMultipleCoils(at, values) => set(&mut tables.coils, at, &values)
                .map(|()| Response::WriteMultipleCoils(at, count(&values))),
            _ => Err(ExceptionCode::IllegalFunction),
        };
        future::ready(answer)
    }
}
