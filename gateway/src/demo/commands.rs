use std::path::Path;

use super::quoted;
use crate::assemble::Gateway;
use crate::failure::Failure;

/// What to try, ready to be pasted.
pub(super) fn text(gateway: &Gateway, owner: &Path, alice: &Path) -> Result<String, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(format!("where is this program? {error}")))?;
    let program = quoted(&program);
    let at = &gateway.addresses.advertise;
    let domain = &gateway.domain;
    let (thermostat, plc) =
        (format!("http--thermostat.{domain}"), format!("modbus--plc-3.{domain}"));
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
    let typist = format!("{program} agent connect --identity {}", quoted(owner));
    let ask =
        r"printf 'GET /api/temperature HTTP/1.1\r\nHost: thermostat\r\nConnection: close\r\n\r\n'";
    Ok(format!(
        "\n\
A thermostat (HTTP, and a serial console) and a PLC (Modbus/TCP) are simulated. Alice may reach\n\
the thermostat's http interface and watch its console, and nothing else. Paste these into another\n\
terminal.\n\
\n\
# By the interface's own name, with any client that speaks TLS: allowed, then refused.\n\
{direct} https://{thermostat}/api/temperature\n\
{direct} https://{plc}/\n\
\n\
# Through the gateway as an HTTPS proxy: allowed, then refused. Both answers carry a\n\
# Doorward-Request-Id.\n\
{proxied} http://{thermostat}/api/temperature\n\
{proxied} http://{plc}/\n\
\n\
# With openssl.\n\
{ask} | {openssl} -servername {thermostat}\n\
\n\
# With the agent: on standard input and output, and at a Unix socket for other programs.\n\
{ask} | {agent} thermostat/http --stdio\n\
{agent} thermostat/http --listen unix:{socket}\n\
\n\
# The serial console: watched by Alice until Ctrl-C, typed at by the owner.\n\
{agent} thermostat/console --observe\n\
(printf 'status\\r'; sleep 3) | timeout 3 {typist} thermostat/console\n\
\n\
# As the owner: what happened, who is here, and taking the right away.\n\
export DOORWARD_IDENTITY={owner}\n\
{program} audit tail\n\
{program} session list\n\
{program} policy check user/alice connect plc-3/modbus\n\
{program} user revoke alice\n\
\n\
Press Ctrl-C to end.\n",
        socket = quoted(&alice.join("thermostat.sock")),
        owner = quoted(owner),
    ))
}
