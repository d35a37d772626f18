//! What Peerdex does for its users, shown with the real programs.

#[path = "stories/changing_files.rs"]
mod changing_files;
#[path = "stories/clock_jumps.rs"]
mod clock_jumps;
#[path = "stories/configured_leftovers.rs"]
mod configured_leftovers;
#[path = "stories/configured_mistakes.rs"]
mod configured_mistakes;
#[path = "stories/configured_silent_peers.rs"]
mod configured_silent_peers;
#[path = "stories/configured_strangers.rs"]
mod configured_strangers;
#[path = "stories/configured_swarms.rs"]
mod configured_swarms;
#[path = "stories/configured_third_party.rs"]
mod configured_third_party;
#[path = "stories/crashes.rs"]
mod crashes;
#[path = "stories/damaged_parts.rs"]
mod damaged_parts;
#[path = "stories/delivery.rs"]
mod delivery;
#[path = "stories/doctor.rs"]
mod doctor;
#[path = "stories/downloads.rs"]
mod downloads;
#[path = "stories/failed_tasks.rs"]
mod failed_tasks;
#[path = "stories/fair_slots.rs"]
mod fair_slots;
#[path = "stories/faults.rs"]
mod faults;
#[path = "stories/folders.rs"]
mod folders;
#[path = "stories/forged_manifests.rs"]
mod forged_manifests;
#[path = "stories/full_disk.rs"]
mod full_disk;
#[path = "stories/hostile_clients.rs"]
mod hostile_clients;
#[path = "stories/hostile_downloaders.rs"]
mod hostile_downloaders;
#[path = "stories/hostile_sources.rs"]
mod hostile_sources;
#[path = "stories/index_addresses.rs"]
mod index_addresses;
#[path = "stories/index_budgets.rs"]
mod index_budgets;
#[path = "stories/index_crashes.rs"]
mod index_crashes;
#[path = "stories/index_crowds.rs"]
mod index_crowds;
#[path = "stories/index_limits.rs"]
mod index_limits;
#[path = "stories/index_metrics.rs"]
mod index_metrics;
#[path = "stories/index_restarts.rs"]
mod index_restarts;
#[path = "stories/index_tracker.rs"]
mod index_tracker;
#[path = "stories/lan_browse.rs"]
mod lan_browse;
#[path = "stories/lan_chunks.rs"]
mod lan_chunks;
#[path = "stories/lan_logs.rs"]
mod lan_logs;
#[path = "stories/lan_nodes.rs"]
mod lan_nodes;
#[path = "stories/lan_ports.rs"]
mod lan_ports;
#[path = "stories/lan_replies.rs"]
mod lan_replies;
#[path = "stories/layering.rs"]
mod layering;
#[path = "stories/limits.rs"]
mod limits;
#[path = "stories/listing.rs"]
mod listing;
#[path = "stories/long_lines.rs"]
mod long_lines;
#[path = "stories/mixed_faults.rs"]
mod mixed_faults;
#[path = "stories/module_imports.rs"]
mod module_imports;
#[path = "stories/names.rs"]
mod names;
#[path = "stories/odd_connections.rs"]
mod odd_connections;
#[path = "stories/odd_state.rs"]
mod odd_state;
#[path = "stories/odd_systems.rs"]
mod odd_systems;
#[path = "stories/other_folders.rs"]
mod other_folders;
#[path = "stories/partial_files.rs"]
mod partial_files;
#[path = "stories/poisoning.rs"]
mod poisoning;
#[path = "stories/power_cuts.rs"]
mod power_cuts;
#[path = "stories/presence.rs"]
mod presence;
#[path = "stories/previous_release.rs"]
mod previous_release;
#[path = "stories/prompt.rs"]
mod prompt;
#[path = "stories/queue.rs"]
mod queue;
#[path = "stories/report_figures.rs"]
mod report_figures;
#[path = "stories/resuming.rs"]
mod resuming;
#[path = "stories/round_trips.rs"]
mod round_trips;
#[path = "stories/script_output.rs"]
mod script_output;
#[path = "stories/scripts.rs"]
mod scripts;
#[path = "stories/searching.rs"]
mod searching;
#[path = "stories/shares.rs"]
mod shares;
#[path = "stories/sharing.rs"]
mod sharing;
#[path = "stories/signals.rs"]
mod signals;
#[path = "stories/spreading.rs"]
mod spreading;
#[path = "stories/spreading_simulated.rs"]
mod spreading_simulated;
#[path = "stories/starved_programs.rs"]
mod starved_programs;
#[path = "stories/state_folder.rs"]
mod state_folder;
#[path = "stories/stopping.rs"]
mod stopping;
#[path = "stories/swapped_folders.rs"]
mod swapped_folders;
#[path = "stories/swarming.rs"]
mod swarming;
#[path = "stories/syscall_faults.rs"]
mod syscall_faults;
#[path = "stories/terminal.rs"]
mod terminal;
#[path = "stories/terminal_input.rs"]
mod terminal_input;
#[path = "stories/texts.rs"]
mod texts;
#[path = "stories/torn_networks.rs"]
mod torn_networks;
#[path = "stories/torrent_acceptance.rs"]
mod torrent_acceptance;
#[path = "stories/torrent_bridge.rs"]
mod torrent_bridge;
#[path = "stories/torrent_corpus.rs"]
mod torrent_corpus;
#[path = "stories/torrent_create.rs"]
mod torrent_create;
#[path = "stories/torrent_encryption.rs"]
mod torrent_encryption;
#[path = "stories/torrent_encryption_abuse.rs"]
mod torrent_encryption_abuse;
#[path = "stories/torrent_files.rs"]
mod torrent_files;
#[path = "stories/torrent_https.rs"]
mod torrent_https;
#[path = "stories/torrent_interop.rs"]
mod torrent_interop;
#[path = "stories/torrent_liars.rs"]
mod torrent_liars;
#[path = "stories/torrent_lifecycle.rs"]
mod torrent_lifecycle;
#[path = "stories/torrent_mixed.rs"]
mod torrent_mixed;
#[path = "stories/torrent_odd.rs"]
mod torrent_odd;
#[path = "stories/torrent_offers.rs"]
mod torrent_offers;
#[path = "stories/torrent_offers_encrypted.rs"]
mod torrent_offers_encrypted;
#[path = "stories/torrent_prompt.rs"]
mod torrent_prompt;
#[path = "stories/torrent_requests.rs"]
mod torrent_requests;
#[path = "stories/torrent_slots.rs"]
mod torrent_slots;
#[path = "stories/torrent_strangers.rs"]
mod torrent_strangers;
#[path = "stories/torrent_third_party.rs"]
mod torrent_third_party;
#[path = "stories/torrent_utp.rs"]
mod torrent_utp;
#[path = "stories/troubled_sources.rs"]
mod troubled_sources;
#[path = "stories/waiting.rs"]
mod waiting;
