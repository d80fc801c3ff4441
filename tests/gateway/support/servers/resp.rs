use std::io;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What Redis says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    /// A word such as `OK`; also the numbers and booleans of RESP3.
    Simple(String),
    /// A refusal, its code first.
    Error(String),
    /// A whole number.
    Int(i64),
    /// Bytes.
    Bulk(Vec<u8>),
    /// Nothing.
    Nil,
    /// Several; a map is an array of its keys and values in turn.
    Array(Vec<Reply>),
}

impl Reply {
    /// Its text; panics if it is none.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Simple(text) => text.clone(),
            Self::Bulk(bytes) => String::from_utf8(bytes.clone()).expect("is UTF-8"),
            Self::Error(_) | Self::Int(_) | Self::Nil | Self::Array(_) => {
                panic!("no text: {self:?}")
            }
        }
    }

    /// Its number; panics if it is none.
    pub(crate) fn int(&self) -> i64 {
        match self {
            Self::Int(number) => *number,
            Self::Simple(_) | Self::Error(_) | Self::Bulk(_) | Self::Nil | Self::Array(_) => {
                panic!("no number: {self:?}")
            }
        }
    }

    /// Its parts, none if there is nothing; panics if it has none.
    pub(crate) fn array(&self) -> &[Self] {
        match self {
            Self::Array(parts) => parts,
            Self::Nil => &[],
            Self::Simple(_) | Self::Error(_) | Self::Int(_) | Self::Bulk(_) => {
                panic!("no array: {self:?}")
            }
        }
    }

    /// The texts of its parts.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.array().iter().map(Self::text).collect()
    }

    /// The refusal, if it is one.
    pub(crate) fn error(&self) -> Option<&str> {
        match self {
            Self::Error(error) => Some(error),
            Self::Simple(_) | Self::Int(_) | Self::Bulk(_) | Self::Nil | Self::Array(_) => None,
        }
    }

    /// Takes the first from `buffer`, if it is there as a whole.
    pub(super) fn take(buffer: &mut BytesMut) -> Option<Self> {
        let mut rest = &buffer[..];
        let reply = read(&mut rest)?;
        let length = buffer.len() - rest.len();
        buffer.advance(length);
        Some(reply)
    }
}

/// A connection to Redis.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    /// Connects to a port of this machine.
    pub(crate) async fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: BytesMut::new(),
        })
    }

    /// Sends a command and waits for its reply, as long as it takes.
    pub(crate) async fn call<A: AsRef<[u8]>>(&mut self, command: &[A]) -> io::Result<Reply> {
        self.send(command).await?;
        self.receive().await
    }

    /// Sends a command; several may be sent before the first reply is received.
    pub(crate) async fn send<A: AsRef<[u8]>>(&mut self, command: &[A]) -> io::Result<()> {
        let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
        for argument in command.iter().map(AsRef::as_ref) {
            bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
            bytes.extend_from_slice(argument);
            bytes.extend_from_slice(b"\r\n");
        }
        self.stream.write_all(&bytes).await
    }

    /// Waits for the next reply or message.
    pub(crate) async fn receive(&mut self) -> io::Result<Reply> {
        loop {
            if let Some(reply) = Reply::take(&mut self.buffer) {
                return Ok(reply);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn read(from: &mut &[u8]) -> Option<Reply> {
    let end = from.windows(2).position(|two| two == b"\r\n")?;
    let (line, rest) = from.split_at(end);
    *from = &rest[2..];
    let (kind, line) = line.split_first().expect("a reply has a kind");
    let line = str::from_utf8(line).expect("is UTF-8");
    let number = || line.parse::<i64>().expect("is a number");
    Some(match kind {
        b'-' => Reply::Error(line.to_owned()),
        b':' => Reply::Int(number()),
        b'_' => Reply::Nil,
        b'$' | b'=' | b'!' => match usize::try_from(number()) {
            Ok(length) => Reply::Bulk(bulk(from, length)?),
            Err(_) => Reply::Nil,
        },
        b'*' | b'~' | b'>' => match usize::try_from(number()) {
            Ok(count) => Reply::Array(array(from, count)?),
            Err(_) => Reply::Nil,
        },
        b'%' => {
            let pairs = usize::try_from(number()).expect("a map is never nothing");
            Reply::Array(array(from, pairs * 2)?)
        }
        b'+' | b',' | b'#' | b'(' => Reply::Simple(line.to_owned()),
        other => panic!("no reply begins with {:?}", char::from(*other)),
    })
}

fn bulk(from: &mut &[u8], length: usize) -> Option<Vec<u8>> {
    if from.len() < length + 2 {
        return None;
    }
    let (bytes, rest) = from.split_at(length);
    *from = &rest[2..];
    Some(bytes.to_vec())
}

fn array(from: &mut &[u8], count: usize) -> Option<Vec<Reply>> {
    (0..count).map(|_| read(from)).collect()
}
