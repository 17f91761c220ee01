//! A thermostat with a small HTTP API.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use crate::failure::CommandFailure;

/// Tenths of a degree Celsius.
struct Thermostat {
    temperature: AtomicI32,
    setpoint: AtomicI32,
}

pub(super) async fn start() -> Result<SocketAddr, CommandFailure> {
    let failed = |error| CommandFailure::new(format!("the thermostat cannot listen: {error}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let thermostat =
        Arc::new(Thermostat { temperature: AtomicI32::new(215), setpoint: AtomicI32::new(210) });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let thermostat = Arc::clone(&thermostat);
            let service = service_fn(move |request| {
                let thermostat = Arc::clone(&thermostat);
                async move { Ok::<_, Infallible>(thermostat.answer(request).await) }
            });
            tokio::spawn(async move {
                // A client may close its sending side and still receive the answer. An error ends
                // this connection only.
                let mut server = http1::Builder::new();
                server.half_close(true);
                drop(server.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    });
    Ok(address)
}

impl Thermostat {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let degrees = |tenths: &AtomicI32| f64::from(tenths.load(Ordering::Relaxed)) / 10.0;
        let (head, body) = request.into_parts();
        let (status, answer) = match (head.method, head.uri.path()) {
            (Method::GET, "/" | "/api") => (
                StatusCode::OK,
                json!({ "device": "thermostat", "paths": ["/api/temperature", "/api/setpoint"] }),
            ),
            (Method::GET, "/api/temperature") => {
                (StatusCode::OK, json!({ "celsius": degrees(&self.temperature) }))
            }
            (Method::GET, "/api/setpoint") => {
                (StatusCode::OK, json!({ "celsius": degrees(&self.setpoint) }))
            }
            (Method::PUT, "/api/setpoint") => match self.set(body).await {
                Some(celsius) => (StatusCode::OK, json!({ "celsius": celsius })),
                None => (StatusCode::BAD_REQUEST, json!({ "expected": { "celsius": 21.0 } })),
            },
            _ => (StatusCode::NOT_FOUND, json!({ "error": "not found" })),
        };
        let mut response = Response::new(Full::from(answer.to_string() + "\n"));
        *response.status_mut() = status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }

    async fn set(&self, body: Incoming) -> Option<f64> {
        let bytes = Limited::new(body, 1024).collect().await.ok()?.to_bytes();
        let asked: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        let celsius = asked.get("celsius")?.as_f64().filter(|it| (5.0..=30.0).contains(it))?;
        #[expect(clippy::cast_possible_truncation, reason = "between 50 and 300")]
        self.setpoint.store((celsius * 10.0).round() as i32, Ordering::Relaxed);
        Some(celsius)
    }
}
