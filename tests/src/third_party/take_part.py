"""Joins a torrent until it is killed, or shows it: PROGRAM join ENCRYPTION TORRENT FOLDER | show TORRENT."""
import sys

import libtorrent

role, torrent = sys.argv[1], sys.argv[3 if sys.argv[1] == "join" else 2]
info = libtorrent.torrent_info(torrent)
print("infohash", info.info_hash(), flush=True)
if role == "show":
    sys.exit()

encryption = {
    # Features that a client of plain BEP 3 over TCP does not have.
    "off": {
        "in_enc_policy": 2, "out_enc_policy": 2, "enable_incoming_utp": False, "enable_outgoing_utp": False,
        "min_reconnect_time": 1,
    },
    "default": {},
    # RC4, without plaintext after the key exchange.
    "required": {"in_enc_policy": 0, "out_enc_policy": 0, "allowed_enc_level": 2},
}[sys.argv[2]]
kinds = libtorrent.alert.category_t
session = libtorrent.session({
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "allow_multiple_connections_per_ip": True,
    "alert_mask": kinds.status_notification | kinds.storage_notification | kinds.error_notification
    | kinds.tracker_notification,
    **encryption,
})
params = libtorrent.add_torrent_params()
params.ti, params.save_path = info, sys.argv[4]
params.flags &= ~(libtorrent.torrent_flags.auto_managed | libtorrent.torrent_flags.paused)
handle = session.add_torrent(params)
while True:
    session.wait_for_alert(1000)
    for alert in session.pop_alerts():
        if isinstance(alert, libtorrent.torrent_finished_alert):
            handle.flush_cache()
        elif isinstance(alert, libtorrent.cache_flushed_alert) and handle.status().is_seeding:
            print("complete", flush=True)
        elif isinstance(alert, (libtorrent.torrent_error_alert, libtorrent.file_error_alert)):
            sys.exit(str(alert))
        else:
            print(alert, flush=True)
