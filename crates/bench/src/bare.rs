//! The floor: a proxy of hyper and serde alone. It buffers a request, parses it, changes the model's name, writes it
//! again and streams the answer untouched, over pooled connections without Nagle's delay. Whatever routes must do this
//! much; it looks after nothing else.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderName, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpListener;

type Answer = Response<Either<Incoming, Full<Bytes>>>;

/// Headers that concern one connection, and those that are written anew.
const NOT_PASSED: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
    header::HOST,
    HeaderName::from_static("keep-alive"),
];

async fn pass(
    client: &Client<HttpConnector, Full<Bytes>>,
    upstream: &Authority,
    request: Request<Incoming>,
) -> Result<Answer> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut value: Value = serde_json::from_slice(&body)?;
    if let Some(model) = value.get_mut("model") {
        let name = model.as_str().context("`model` is no string")?;
        *model = name.split_once('/').map_or(name, |(_, own)| own).into();
    }
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    (uri.scheme, uri.authority) = (Some(Scheme::HTTP), Some(upstream.clone()));
    parts.uri = Uri::from_parts(uri)?;
    for name in NOT_PASSED {
        parts.headers.remove(name);
    }
    let answer = client.request(Request::from_parts(parts, Full::new(serde_json::to_vec(&value)?.into()))).await?;
    let (mut parts, body) = answer.into_parts();
    parts.headers.remove(header::CONNECTION);
    Ok(Response::from_parts(parts, Either::Left(body)))
}

/// Passes on to `upstream` until the process is ended.
pub async fn serve(listener: TcpListener, upstream: Authority) -> Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, upstream) = (client.clone(), upstream.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| async {
                pass(&client, &upstream, request).await.or_else(|error| {
                    let mut answer = Response::new(Either::Right(Full::new(Bytes::from(error.to_string()))));
                    *answer.status_mut() = StatusCode::BAD_GATEWAY;
                    Ok::<_, hyper::Error>(answer)
                })
            });
            // A client that goes away is no concern of ours.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
