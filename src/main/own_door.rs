//! The operator's API without a socket, for a tool that is its own gateway.

use std::io::{self, Read};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, Response};
use gateway_adapters::client::{self, ClientError, Door};
use gateway_adapters::inbound::admin::{self, OperatorSide};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// The API of a backend that this process speaks to by itself.
pub(super) struct OwnDoor {
    name: String,
    router: Router,
    /// Where the backend's connections live, too; it has threads of its own.
    runtime: Handle,
}

impl OwnDoor {
    /// The API in front of `side`, for people under the name of `name`.
    pub(super) fn new(name: String, side: OperatorSide, runtime: Handle) -> Self {
        // A tool ends with its process: nobody is sent away before.
        let router = admin::api((side, None), CancellationToken::new());
        Self {
            name,
            router,
            runtime,
        }
    }
}

impl Door for OwnDoor {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<client::Body>, ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(body.map_or_else(Body::empty, |body| body.to_string().into()));
        let request = request.map_err(|error| ClientError::BrokenOff {
            door: self.name(),
            reason: error.to_string(),
        })?;
        let Ok(answer) = self.runtime.block_on(self.router.clone().oneshot(request));
        Ok(answer.map(|body| -> client::Body {
            Box::new(Pages {
                body,
                page: Bytes::new(),
                runtime: self.runtime.clone(),
            })
        }))
    }
}

/// The body of an answer, read as its pages come.
struct Pages {
    body: Body,
    page: Bytes,
    runtime: Handle,
}

impl Read for Pages {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.page.is_empty() {
            let Some(frame) = self.runtime.block_on(self.body.frame()) else {
                return Ok(0);
            };
            // Trailers are of no interest.
            self.page = frame
                .map_err(io::Error::other)?
                .into_data()
                .unwrap_or_default();
        }
        let length = self.page.len().min(into.len());
        into[..length].copy_from_slice(&self.page.split_to(length));
        Ok(length)
    }
}

#[cfg(test)]
#[path = "own_door/tests.rs"]
mod tests;
