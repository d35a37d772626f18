"""Seeds a torrent until it is killed, or downloads one: PROGRAM seed|fetch TORRENT FOLDER."""
import sys

import libtorrent

role, torrent, folder = sys.argv[1:]
if role == "fetch":
    print("ready", flush=True)
    sys.stdin.readline()

settings = libtorrent.high_performance_seed() if role == "seed" else {}
settings.update({
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_incoming_utp": False, "enable_outgoing_utp": False,
    "in_enc_policy": 2, "out_enc_policy": 2,
    "allow_multiple_connections_per_ip": True,
    "max_out_request_queue": 3000, "max_allowed_in_request_queue": 3000, "request_queue_time": 10,
    "max_queued_disk_bytes": 64 << 20, "unchoke_slots_limit": -1,
    "send_buffer_watermark": 8 << 20, "send_buffer_low_watermark": 1 << 20, "send_buffer_watermark_factor": 150,
    "alert_mask": libtorrent.alert.category_t.status_notification | libtorrent.alert.category_t.storage_notification
    | libtorrent.alert.category_t.error_notification,
})
session = libtorrent.session(settings)
params = libtorrent.add_torrent_params()
params.ti, params.save_path = libtorrent.torrent_info(torrent), folder
params.flags &= ~(libtorrent.torrent_flags.auto_managed | libtorrent.torrent_flags.paused)
if role == "seed":
    params.flags |= libtorrent.torrent_flags.seed_mode
handle = session.add_torrent(params)
while True:
    session.wait_for_alert(1000)
    for alert in session.pop_alerts():
        if role == "fetch" and isinstance(alert, libtorrent.torrent_finished_alert):
            handle.flush_cache()
        elif role == "fetch" and isinstance(alert, libtorrent.cache_flushed_alert) and handle.status().is_seeding:
            print("finished", flush=True)
            sys.exit()
        elif isinstance(alert, (libtorrent.torrent_error_alert, libtorrent.file_error_alert)):
            sys.exit(str(alert))
