//! An upstream that sends exactly the bytes it is told to, and keeps exactly those it got.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone)]
pub enum Piece {
    Bytes(Vec<u8>),
    Pause(Duration),
    /// Nothing more is sent, and the connection stays.
    Hang,
}

pub struct Raw {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    gone: watch::Receiver<usize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Raw {
    /// Each connection gets these pieces after its request, and is closed then.
    pub async fn start(pieces: Vec<Piece>) -> Raw {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let (gone_sender, gone) = watch::channel(0);
        let kept = requests.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(connection(stream, pieces.clone(), kept.clone(), gone_sender.clone()));
            }
        });
        Raw { address, requests, gone, task }
    }

    /// An answer with these headers (each with its line end) and body, at once.
    pub async fn answer(head: &str, body: impl AsRef<[u8]>) -> Raw {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {head}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
        Self::start(vec![Piece::Bytes([head.as_bytes(), body].concat())]).await
    }

    /// A stream of these pieces, ended by the end of the connection.
    pub async fn stream(pieces: Vec<Piece>) -> Raw {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        Self::start([vec![Piece::Bytes(head.into())], pieces].concat()).await
    }

    /// What it was asked, head and body.
    pub fn requests(&self) -> Vec<(String, Vec<u8>)> {
        self.requests.lock().unwrap().iter().map(|bytes| split(bytes)).collect()
    }

    /// Waits until a client has closed its connection.
    pub async fn client_gone(&mut self) {
        self.gone.wait_for(|count| *count > 0).await.unwrap();
    }

    /// Waits until a request has come.
    pub async fn asked(&self) {
        while self.requests.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn split(bytes: &[u8]) -> (String, Vec<u8>) {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    (String::from_utf8(bytes[..end].to_vec()).unwrap(), bytes[end + 4..].to_vec())
}

async fn connection(
    mut stream: TcpStream,
    pieces: Vec<Piece>,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    gone: watch::Sender<usize>,
) {
    stream.set_nodelay(true).unwrap();
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 65536];
        let Ok(count) = stream.read(&mut buffer).await else { return };
        if count == 0 {
            return;
        }
        bytes.extend_from_slice(&buffer[..count]);
        if !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
            continue;
        }
        let (head, body) = split(&bytes);
        let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break;
        }
    }
    requests.lock().unwrap().push(bytes);
    let (mut reader, mut writer) = stream.split();
    let send = async {
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => {
                    if writer.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Piece::Pause(time) => tokio::time::sleep(time).await,
                Piece::Hang => std::future::pending().await,
            }
        }
        let _ = writer.shutdown().await;
    };
    let watch = async {
        let mut rest = [0; 64];
        while !matches!(reader.read(&mut rest).await, Ok(0) | Err(_)) {}
        gone.send_modify(|count| *count += 1);
    };
    tokio::select! { () = send => {}, () = watch => {} }
}
