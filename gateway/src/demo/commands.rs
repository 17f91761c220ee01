//! The commands that the demonstration prints.

use std::path::Path;

use crate::assemble::Gateway;
use crate::failure::CommandFailure;

/// Returns the commands to try, ready to be pasted.
pub(super) fn text(
    gateway: &Gateway,
    owner: &Path,
    alice: &Path,
) -> Result<String, CommandFailure> {
    let program = std::env::current_exe()
        .map_err(|error| CommandFailure::new(format!("where is this program? {error}")))?;
    let program = quoted(&program);
    let at = &gateway.addresses.advertise;
    let domain = &gateway.domain;
    let thermostat = format!("http--thermostat.{domain}");
    let file = |name: &str| quoted(&alice.join(name));
    let (cert, key, ca) = (file("cert.pem"), file("key.pem"), file("ca.pem"));
    let direct = format!("curl -sS --connect-to ::{at} --cert {cert} --key {key} --cacert {ca}");
    let proxied = format!(
        "curl -sS -i --proxytunnel --proxy https://{at} --proxy-cert {cert} --proxy-key {key} \
         --proxy-cacert {ca}"
    );
    let openssl = format!(
        "openssl s_client -quiet -verify_return_error -connect {at} -cert {cert} -key {key} \
         -CAfile {ca}"
    );
    let agent = format!("{program} agent connect --identity {}", quoted(alice));
    let owner_agent = format!("{program} agent connect --identity {}", quoted(owner));
    let set = r#"-X PUT -d '{"celsius": 28}'"#;
    // Modbus/TCP frames: read two holding registers of unit 1, and write the first.
    let read = r"printf '\0\1\0\0\0\6\1\3\0\12\0\2'";
    let write = r"printf '\0\2\0\0\0\6\1\6\0\12\0\7'";
    let ask = |host: &str| {
        format!(
            r"printf 'GET /api/temperature HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n'"
        )
    };
    let (ask, ask_here) = (ask(&thermostat), ask("localhost"));
    Ok(format!(
        "\n\
A thermostat (HTTP, and a serial console) and a PLC (Modbus/TCP) are simulated. Alice may read\n\
the thermostat's API, watch its console and read the PLC's registers, and nothing else. Paste\n\
these into another terminal.\n\
\n\
# By the interface's own name, with any client that speaks TLS: allowed, then refused.\n\
{direct} https://{thermostat}/api/temperature\n\
{direct} {set} https://{thermostat}/api/setpoint\n\
\n\
# Through the gateway as an HTTPS proxy: allowed, then refused. Both answers carry a\n\
# Doorward-Request-Id.\n\
{proxied} http://{thermostat}/api/temperature\n\
{proxied} {set} http://{thermostat}/api/setpoint\n\
\n\
# With openssl.\n\
{ask} | {openssl} -servername {thermostat}\n\
\n\
# With the agent: on standard input and output, and at a Unix socket for other programs.\n\
{ask_here} | {agent} thermostat/http --stdio\n\
{agent} thermostat/http --listen unix:{socket}\n\
\n\
# The PLC: Alice may read registers 10 and 11. The gateway answers a write with a Modbus exception\n\
# (86 02) and does not forward it.\n\
{read} | {agent} plc-3/modbus --stdio | od -An -tx1\n\
{write} | {agent} plc-3/modbus --stdio | od -An -tx1\n\
\n\
# The serial console: Alice watches it until Ctrl-C, and the owner types a command.\n\
{agent} thermostat/console --observe\n\
(printf 'status\\r'; sleep 3) | timeout 3 {owner_agent} thermostat/console\n\
\n\
# As the owner: show the audit log and the sessions, check a right, and revoke Alice's identity.\n\
export DOORWARD_IDENTITY={owner}\n\
{program} audit tail\n\
{program} session list\n\
{program} policy check user/alice read plc-3/modbus/1/holding/10-11\n\
{program} policy check user/alice write plc-3/modbus/1/holding/10\n\
{program} user revoke alice\n\
\n\
Press Ctrl-C to end.\n",
        socket = quoted(&alice.join("thermostat.sock")),
        owner = quoted(owner),
    ))
}

/// Quotes a path for a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
