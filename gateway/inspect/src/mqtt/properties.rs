//! Reads the properties of MQTT 5.

use super::reader::FieldReader;
use super::reason::{Violation, malformed, protocol_error, quota_exceeded};
use super::topic::is_topic;

pub(super) const RESPONSE_TOPIC: u8 = 0x08;
pub(super) const SUBSCRIPTION_ID: u8 = 0x0b;
pub(super) const SESSION_EXPIRY: u8 = 0x11;
pub(super) const ASSIGNED_ID: u8 = 0x12;
pub(super) const AUTHENTICATION_METHOD: u8 = 0x15;
pub(super) const AUTHENTICATION_DATA: u8 = 0x16;
pub(super) const SERVER_REFERENCE: u8 = 0x1c;
pub(super) const ALIAS_MAXIMUM: u8 = 0x22;
pub(super) const ALIAS: u8 = 0x23;
const USER_PROPERTY: u8 = 0x26;
pub(super) const PACKET_MAXIMUM: u8 = 0x27;

/// The most properties of a packet. Most may occur once; the others, as often as a peer likes.
pub(super) const MOST: usize = 1024;

/// The packet or part in which properties occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PropertyContext {
    Connect,
    Will,
    Connack,
    Publish,
    /// PUBACK, PUBREC, PUBREL and PUBCOMP.
    Ack,
    Subscribe,
    Unsubscribe,
    /// SUBACK and UNSUBACK.
    Suback,
    Disconnect,
    Auth,
}

/// The form of a property's value.
#[derive(Clone, Copy)]
enum Form {
    /// A byte, 0 or 1.
    Switch,
    Two,
    /// Two bytes, not 0.
    Count,
    Four,
    /// Four bytes, not 0.
    Size,
    /// A variable byte integer, not 0.
    Varint,
    Text,
    /// A topic name.
    Topic,
    Binary,
    Pair,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value<'b> {
    Number(u32),
    Text(&'b str),
    /// A value that nothing here reads.
    Other,
}

struct Property<'b> {
    id: u8,
    value: Value<'b>,
    /// All bytes of the property.
    raw: &'b [u8],
}

/// Returns the form of the property `id`, if it may occur in that context (table 2-4).
fn form(id: u8, context: PropertyContext) -> Option<Form> {
    use PropertyContext as P;
    let (form, contexts): (Form, &[PropertyContext]) = match id {
        // Payload Format Indicator, Message Expiry Interval, Content Type, Correlation Data.
        0x01 => (Form::Switch, &[P::Publish, P::Will]),
        0x02 => (Form::Four, &[P::Publish, P::Will]),
        0x03 => (Form::Text, &[P::Publish, P::Will]),
        RESPONSE_TOPIC => (Form::Topic, &[P::Publish, P::Will]),
        0x09 => (Form::Binary, &[P::Publish, P::Will]),
        SUBSCRIPTION_ID => (Form::Varint, &[P::Publish, P::Subscribe]),
        SESSION_EXPIRY => (Form::Four, &[P::Connect, P::Connack, P::Disconnect]),
        ASSIGNED_ID => (Form::Text, &[P::Connack]),
        // Server Keep Alive.
        0x13 => (Form::Two, &[P::Connack]),
        AUTHENTICATION_METHOD => (Form::Text, &[P::Connect, P::Connack, P::Auth]),
        AUTHENTICATION_DATA => (Form::Binary, &[P::Connect, P::Connack, P::Auth]),
        // Request Problem Information.
        0x17 => (Form::Switch, &[P::Connect]),
        // Will Delay Interval.
        0x18 => (Form::Four, &[P::Will]),
        // Request Response Information, Response Information.
        0x19 => (Form::Switch, &[P::Connect]),
        0x1a => (Form::Text, &[P::Connack]),
        SERVER_REFERENCE => (Form::Text, &[P::Connack, P::Disconnect]),
        // Reason String.
        0x1f => (Form::Text, &[P::Connack, P::Ack, P::Suback, P::Disconnect, P::Auth]),
        // Receive Maximum.
        0x21 => (Form::Count, &[P::Connect, P::Connack]),
        ALIAS_MAXIMUM => (Form::Two, &[P::Connect, P::Connack]),
        // The error for the value 0 has a reason code of its own.
        ALIAS => (Form::Two, &[P::Publish]),
        // Maximum QoS, Retain Available.
        0x24 | 0x25 => (Form::Switch, &[P::Connack]),
        USER_PROPERTY => return Some(Form::Pair),
        PACKET_MAXIMUM => (Form::Size, &[P::Connect, P::Connack]),
        // Wildcard Subscription, Subscription Identifiers, Shared Subscription: Available.
        0x28..=0x2a => (Form::Switch, &[P::Connack]),
        _ => return None,
    };
    contexts.contains(&context).then_some(form)
}

impl Form {
    fn read<'b>(self, reader: &mut FieldReader<'b>) -> Result<Value<'b>, Violation> {
        let positive = |number| match number {
            0 => Err(protocol_error("gives a property the value 0")),
            number => Ok(Value::Number(number)),
        };
        match self {
            Self::Switch => match reader.byte()? {
                byte @ 0..=1 => Ok(Value::Number(byte.into())),
                _ => Err(protocol_error("gives a property a value other than 0 and 1")),
            },
            Self::Two => Ok(Value::Number(reader.two()?.into())),
            Self::Count => positive(reader.two()?.into()),
            Self::Four => Ok(Value::Number(reader.four()?)),
            Self::Size => positive(reader.four()?),
            Self::Varint => positive(reader.varint()?),
            Self::Text => Ok(Value::Text(reader.text()?)),
            Self::Topic => match reader.text()? {
                topic if is_topic(topic) => Ok(Value::Text(topic)),
                _ => Err(protocol_error("names an invalid response topic")),
            },
            Self::Binary => reader.binary().map(|_| Value::Other),
            Self::Pair => {
                reader.text()?;
                reader.text()?;
                Ok(Value::Other)
            }
        }
    }
}

fn property<'b>(
    reader: &mut FieldReader<'b>,
    context: PropertyContext,
) -> Result<Property<'b>, Violation> {
    let start = reader.rest();
    // Every identifier has one byte; a longer form of it is malformed.
    let id = reader.byte()?;
    let form = form(id, context).ok_or(malformed("sends a property that cannot be there"))?;
    let value = form.read(reader)?;
    let (raw, _) = start.split_at(start.len() - reader.rest().len());
    Ok(Property { id, value, raw })
}

/// The properties of a packet (section 2.2.2), which have been checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Properties<'b> {
    context: PropertyContext,
    raw: &'b [u8],
}

impl<'b> Properties<'b> {
    /// Returns the properties of a packet that has none.
    pub(super) fn none(context: PropertyContext) -> Self {
        Self { context, raw: &[] }
    }

    /// Reads the length and each property. Checks that each is allowed here, well formed, and not
    /// repeated.
    pub(super) fn read(
        reader: &mut FieldReader<'b>,
        context: PropertyContext,
    ) -> Result<Self, Violation> {
        let length = reader.varint()?;
        let raw = reader.take(length as usize)?;
        let (mut rest, mut seen, mut count) = (FieldReader::new(raw), 0_u64, 0);
        while !rest.is_empty() {
            count += 1;
            if count > MOST {
                return Err(quota_exceeded("sends too many properties at once"));
            }
            let Property { id, .. } = property(&mut rest, context)?;
            // A message has one identifier for each subscription that it matches (section
            // 3.3.2.3.8).
            let many = id == USER_PROPERTY
                || (id == SUBSCRIPTION_ID && context == PropertyContext::Publish);
            if !many && seen & 1 << id != 0 {
                return Err(protocol_error("sends a property twice"));
            }
            seen |= 1 << id;
        }
        Ok(Self { context, raw })
    }

    fn iter(self) -> impl Iterator<Item = Property<'b>> {
        let mut rest = FieldReader::new(self.raw);
        // Each was read before, so none is skipped.
        std::iter::from_fn(move || property(&mut rest, self.context).ok())
    }

    fn value(self, id: u8) -> Option<Value<'b>> {
        self.iter().find(|property| property.id == id).map(|property| property.value)
    }

    pub(super) fn has(self, id: u8) -> bool {
        self.value(id).is_some()
    }

    pub(super) fn number(self, id: u8) -> Option<u32> {
        match self.value(id)? {
            Value::Number(number) => Some(number),
            Value::Text(_) | Value::Other => None,
        }
    }

    pub(super) fn text(self, id: u8) -> Option<&'b str> {
        match self.value(id)? {
            Value::Text(text) => Some(text),
            Value::Number(_) | Value::Other => None,
        }
    }

    /// Returns their bytes, without the length.
    pub(super) fn raw(self) -> &'b [u8] {
        self.raw
    }

    /// Returns their bytes without those properties.
    pub(super) fn without(self, ids: &[u8]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(self.raw.len());
        for property in self.iter().filter(|property| !ids.contains(&property.id)) {
            kept.extend_from_slice(property.raw);
        }
        kept
    }
}
