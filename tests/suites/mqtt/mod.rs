//! MQTT, decided message by message and filter by filter: mosquitto behind, paho and mosquitto's
//! own clients in front.

mod floods;
mod hostile;
mod identities;
mod messages;
mod policy;
mod responses;
mod stock;
mod wills;
mod world;
