//! Messages that are made by the descriptors of the protocol, so that no field is forgotten.

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::support::{Worker, key_of};

/// The protocol, as it is compiled in.
pub(super) struct Protocol(FileDescriptorSet);

/// A field that can grow, and the way to it from the request of a call.
pub(super) struct Field {
    rpc: String,
    request: String,
    path: Vec<FieldDescriptorProto>,
}

impl Field {
    /// The call, and the names on the way, with dots between them.
    pub(super) fn name(&self) -> String {
        let names = self.path.iter().map(FieldDescriptorProto::name);
        let names: Vec<_> = std::iter::once(self.rpc.as_str()).chain(names).collect();
        names.join(".")
    }

    /// Whether it grows by entries.
    pub(super) fn is_counted(&self) -> bool {
        let last = self.path.last();
        last.is_some_and(|field| field.label() == Label::Repeated)
    }
}

/// What a field is made to hold.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Entries(usize),
}

impl Protocol {
    pub(super) fn read() -> Self {
        let bytes = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
        Self(FileDescriptorSet::decode(bytes.as_slice()).expect("is what the build wrote"))
    }

    /// The calls, and the messages that they take.
    pub(super) fn calls(&self) -> Vec<(String, String)> {
        let services = self.0.file.iter().flat_map(|file| &file.service);
        let calls = services.flat_map(|service| &service.method);
        calls
            .map(|call| (call.name().to_owned(), call.input_type().to_owned()))
            .collect()
    }

    /// Every field of a request that can be as long as its maker likes.
    pub(super) fn growing(&self) -> Vec<Field> {
        let mut found = Vec::new();
        for (rpc, request) in self.calls() {
            let mut paths = Vec::new();
            self.walk(self.message(&request), &[], &mut paths);
            found.extend(paths.into_iter().map(|path| Field {
                rpc: rpc.clone(),
                request: request.clone(),
                path,
            }));
        }
        found
    }

    fn walk(
        &self,
        message: &DescriptorProto,
        way: &[FieldDescriptorProto],
        found: &mut Vec<Vec<FieldDescriptorProto>>,
    ) {
        for field in &message.field {
            let path = [way, std::slice::from_ref(field)].concat();
            let inner = (field.r#type() == Type::Message).then(|| self.message(field.type_name()));
            let text = matches!(field.r#type(), Type::String | Type::Bytes);
            if text || field.label() == Label::Repeated {
                found.push(path.clone());
            }
            if let Some(inner) = inner.filter(|inner| !is_map(inner)) {
                self.walk(inner, &path, found);
            }
        }
    }

    fn message(&self, name: &str) -> &DescriptorProto {
        let short = name.rsplit('.').next().expect("has a last part");
        let all = self.0.file.iter().flat_map(|file| &file.message_type);
        let mut all = all.flat_map(|message| std::iter::once(message).chain(&message.nested_type));
        let found = all.find(|message| message.name() == short);
        found.expect("is a message of ours")
    }

    /// A request that is sound but for `value` in `field`.
    pub(super) fn request(&self, field: &Field, value: &Value) -> Vec<u8> {
        self.encode(self.message(&field.request), &field.path, value)
    }

    /// A request that is sound, but for being as long as `length` says.
    pub(super) fn padded(&self, request: &str, length: usize) -> Vec<u8> {
        // No message has a field of this number, so whoever reads one passes it over.
        const PADDING: u32 = 1000;
        let mut bytes = self.encode(self.message(request), &[], &Value::Entries(0));
        let mut padding = Vec::new();
        put(&mut padding, PADDING, &vec![0; length]);
        let rest = length - bytes.len() - (padding.len() - length);
        padding.clear();
        put(&mut padding, PADDING, &vec![0; rest]);
        bytes.append(&mut padding);
        assert_eq!(bytes.len(), length);
        bytes
    }

    fn encode(
        &self,
        message: &DescriptorProto,
        path: &[FieldDescriptorProto],
        value: &Value,
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let head = path.first();
        for field in message.field.iter().filter(|field| Some(*field) != head) {
            if let Some(text) = sound(message.name(), field.name()) {
                put(&mut bytes, number(field), text.as_bytes());
            }
        }
        match (path, value) {
            ([], _) => {}
            ([field], Value::Text(text)) => put(&mut bytes, number(field), text.as_bytes()),
            ([field], Value::Entries(count)) => {
                let inner = self.message(field.type_name());
                for entry in 0..*count {
                    put(&mut bytes, number(field), &self.entry(inner, entry));
                }
            }
            ([field, rest @ ..], value) => {
                let inner = self.encode(self.message(field.type_name()), rest, value);
                put(&mut bytes, number(field), &inner);
            }
        }
        bytes
    }

    /// An entry like no other.
    fn entry(&self, message: &DescriptorProto, entry: usize) -> Vec<u8> {
        let key = message.field.first().filter(|_| is_map(message));
        let mut bytes = Vec::new();
        match key.map(FieldDescriptorProto::r#type) {
            Some(Type::String) => put(&mut bytes, 1, format!("c-{entry}").as_bytes()),
            Some(_) => {
                prost::encoding::encode_key(1, prost::encoding::WireType::Varint, &mut bytes);
                prost::encoding::encode_varint(entry as u64, &mut bytes);
            }
            None => bytes = self.encode(message, &[], &Value::Entries(0)),
        }
        bytes
    }
}

fn is_map(message: &DescriptorProto) -> bool {
    let options = message.options.as_ref();
    options.is_some_and(prost_types::MessageOptions::map_entry)
}

fn number(field: &FieldDescriptorProto) -> u32 {
    u32::try_from(field.number()).expect("is positive")
}

/// Adds a field with a length.
fn put(bytes: &mut Vec<u8>, number: u32, value: &[u8]) {
    use prost::encoding::{WireType, encode_key, encode_varint};

    encode_key(number, WireType::LengthDelimited, bytes);
    encode_varint(value.len() as u64, bytes);
    bytes.extend_from_slice(value);
}

/// What must stand in a field for the others to be looked at.
fn sound(message: &str, field: &str) -> Option<String> {
    let text = match (message, field) {
        (_, "api_key") => key_of("w-1"),
        (_, "run_id") => "r".into(),
        ("TaskAck" | "CancelAck", "task_id") => "t".into(),
        (_, "receipt_id" | "request_id") => "q".into(),
        ("Heartbeat" | "SendHeartbeatRequest", "status") => "online".into(),
        (_, "status") => "success".into(),
        _ => return None,
    };
    Some(text)
}

/// Sends `message` to `rpc`, and waits until it is over.
pub(super) async fn call(worker: &Worker, rpc: &str, message: Vec<u8>) -> Result<(), Status> {
    let path = format!("/antcode.v1.GatewayService/{rpc}");
    let mut raw = tonic::client::Grpc::new(worker.channel());
    raw.ready().await.expect("connects");
    let messages = worker.request(tokio_stream::once(message));
    let path = path.parse().expect("is a path");
    let mut answers = raw.streaming(messages, path, Raw).await?.into_inner();
    while answers.message().await?.is_some() {}
    Ok(())
}

/// Messages as they are on the wire.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(to, &item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        use bytes::Buf as _;

        let length = from.remaining();
        Ok(Some(from.copy_to_bytes(length).to_vec()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}
