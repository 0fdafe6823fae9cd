#!/usr/bin/env python3
"""Writes the dashboards: one table of panels each, everything else the same for all."""
import json
import pathlib

HERE = pathlib.Path(__file__).parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${source}"}
FLEET, ONE = 'job=~"$job"', 'job=~"$job",instance=~"$instance"'
POOL = ONE + ',pool=~"$pool"'


def variable(name, query, many=True):
    return {
        "name": name, "label": name, "type": "query", "datasource": SOURCE, "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1,
        "multi": many, "includeAll": many, "current": {"text": "All", "value": "$__all"} if many else {},
    }


VARIABLES = {
    "source": {"name": "source", "label": "source", "type": "datasource", "query": "prometheus", "current": {}},
    "job": variable("job", "label_values(ketch_build_info, job)"),
    "instance": variable("instance", 'label_values(ketch_build_info{job=~"$job"}, instance)'),
    "pool": variable("pool", 'label_values(ketch_ring_share{job=~"$job",instance=~"$instance"}, pool)'),
}


def panel(title, queries, unit="short", kind="timeseries", width=8, help="", stack=False):
    targets = [{"refId": chr(65 + index), "expr": expr, "legendFormat": legend, "datasource": SOURCE} for index, (expr, legend) in enumerate(queries)]
    if kind in ("stat", "table"):
        for target in targets:
            target["instant"] = True
    custom = {"fillOpacity": 12, "lineWidth": 2, "showPoints": "never", "stacking": {"mode": "normal" if stack else "none"}} if kind == "timeseries" else {}
    return {
        "title": title, "description": help, "type": kind, "datasource": SOURCE, "targets": targets, "width": width,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": custom}, "overrides": []},
        "options": {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": {"displayMode": "list", "placement": "bottom"}} if kind == "timeseries" else {},
    }


def stat(title, expr, unit="short", help=""):
    return panel(title, [(expr, "")], unit, "stat", 4, help)


def dashboard(uid, title, variables, panels):
    x = y = 0
    for number, one in enumerate(panels, 1):
        width, height = one.pop("width"), 4 if one["type"] == "stat" else 8
        if x + width > 24:
            x, y = 0, y + tallest
        tallest = height if x == 0 else max(tallest, height)
        one.update(id=number, gridPos={"x": x, "y": y, "w": width, "h": height})
        x += width
    board = {
        "uid": uid, "title": title, "tags": ["ketch"], "schemaVersion": 39, "editable": True, "refresh": "10s", "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser", "templating": {"list": [VARIABLES[name] for name in ["source", *variables]]}, "panels": panels,
        "links": [{"title": "ketch", "type": "dashboards", "tags": ["ketch"], "asDropdown": True, "includeVars": True, "keepTime": True}],
    }
    (HERE / f"{uid}.json").write_text(json.dumps(board, indent=1, ensure_ascii=False) + "\n")


def quantiles(selector, by, metric="ketch_request_duration_seconds"):
    bucket = f"sum by (le, {by}) (rate({metric}_bucket{{{selector}}}[1m]))"
    return [(f"histogram_quantile(0.5, {bucket})", f"p50 {{{{{by}}}}}"), (f"histogram_quantile(0.99, {bucket})", f"p99 {{{{{by}}}}}")]


dashboard("ketch-fleet", "ketch: fleet", ["job"], [
    stat("Instances", f"count(ketch_build_info{{{FLEET}}})"),
    stat("Requests/s", f"sum(pool:ketch_requests:rate1m{{{FLEET}}})", "reqps"),
    stat("Hit rate", f'sum(rate(ketch_requests_total{{{FLEET},result="hit"}}[1m])) / sum(rate(ketch_requests_total{{{FLEET},result=~"hit|miss"}}[1m]))', "percentunit"),
    stat("Clients", f"sum(ketch_client_connections{{{FLEET}}})"),
    stat("Nodes out", f"count(ketch_node_up{{{FLEET}}} == 0) or vector(0)", help="Counted once for each instance that says so."),
    stat("Configurations", f'count(count_values("hash", ketch_config_hash{{{FLEET}}}))', help="More than one: a roll-out is under way, or has stopped half way."),
    panel("Requests/s by pool", [(f"sum by (pool) (pool:ketch_requests:rate1m{{{FLEET}}})", "{{pool}}")], "reqps", stack=True),
    panel("Hit rate by pool", [(f'sum by (pool) (rate(ketch_requests_total{{{FLEET},result="hit"}}[1m])) / sum by (pool) (rate(ketch_requests_total{{{FLEET},result=~"hit|miss"}}[1m]))', "{{pool}}")], "percentunit"),
    panel("Latency by pool", quantiles(FLEET, "pool"), "s"),
    panel("Errors/s by result", [(f'sum by (result) (rate(ketch_node_requests_total{{{FLEET},result!="ok"}}[1m]))', "{{result}}")], "reqps"),
    panel("Nodes out by instance", [(f"sum by (instance) (1 - ketch_node_up{{{FLEET}}})", "{{instance}}")]),
    panel("Processor by instance", [(f"instance:ketch_cpu_per_worker:rate1m{{{FLEET}}}", "{{instance}}")], "percentunit", help="Of what its workers may use."),
    panel("Memory by instance", [(f"process_resident_memory_bytes{{{FLEET}}}", "{{instance}}")], "bytes"),
    panel("Busiest instances", [(f"topk(10, sum by (instance) (pool:ketch_requests:rate1m{{{FLEET}}}))", "{{instance}}")], "reqps"),
    panel("Versions and configurations", [(f"count by (version) (ketch_build_info{{{FLEET}}})", "{{version}}")], kind="table"),
])

dashboard("ketch-instance", "ketch: instance", ["job", "instance"], [
    stat("Requests/s", f"sum(pool:ketch_requests:rate1m{{{ONE}}})", "reqps"),
    stat("p99", f"max(pool:ketch_request_duration_seconds:p99_1m{{{ONE}}})", "s"),
    stat("Clients", f"sum(ketch_client_connections{{{ONE}}})"),
    stat("Up since", f"max(process_start_time_seconds{{{ONE}}}) * 1000", "dateTimeFromNow"),
    stat("Configuration read", f"max(ketch_config_last_reload_success_timestamp_seconds{{{ONE}}}) * 1000", "dateTimeFromNow"),
    stat("Reloads refused", f'sum(ketch_config_reloads_total{{{ONE},result="failure"}})'),
    panel("Requests/s by command", [(f"sum by (command) (rate(ketch_requests_total{{{ONE}}}[1m]))", "{{command}}")], "reqps", stack=True),
    panel("Results/s", [(f"sum by (result) (rate(ketch_requests_total{{{ONE}}}[1m]))", "{{result}}")], "reqps", stack=True),
    panel("Latency by command", quantiles(ONE, "command"), "s"),
    panel("Clients by listener", [(f"sum by (listener) (ketch_client_connections{{{ONE}}})", "{{listener}}"), (f"max(ketch_limit_connections{{{ONE}}})", "limit")]),
    panel("Client traffic", [(f"sum by (direction) (rate(ketch_client_bytes_total{{{ONE}}}[1m]))", "{{direction}}")], "Bps"),
    panel("Merged reads/s", [(f"sum by (pool) (rate(ketch_coalesced_requests_total{{{ONE}}}[1m]))", "{{pool}}")], "reqps"),
    panel("Keys handed over/s", [(f"sum by (step) (rate(ketch_handover_total{{{ONE}}}[1m]))", "{{step}}")]),
    panel("Refused/s by reason", [(f"sum by (reason) (rate(ketch_rejected_requests_total{{{ONE}}}[1m]))", "{{reason}}")], "reqps"),
    panel("Buffers", [(f"sum(ketch_buffered_bytes{{{ONE}}})", "in use"), (f"sum(ketch_limit_bytes{{{ONE}}})", "limit")], "bytes"),
    panel("Processor", [(f"sum by (instance) (rate(process_cpu_seconds_total{{{ONE}}}[1m]))", "{{instance}}"), (f"sum(ketch_workers{{{ONE}}})", "workers")]),
    panel("Memory", [(f"process_resident_memory_bytes{{{ONE}}}", "{{instance}}")], "bytes"),
    panel("Open files", [(f"process_open_fds{{{ONE}}}", "{{instance}}"), (f"max(process_max_fds{{{ONE}}})", "limit")]),
    panel("In-process stores", [(f"sum by (pool, node) (ketch_embedded_bytes{{{ONE}}})", "{{pool}} {{node}}")], "bytes"),
])

dashboard("ketch-pool", "ketch: pool", ["job", "instance", "pool"], [
    stat("Requests/s", f"sum(pool:ketch_requests:rate1m{{{POOL}}})", "reqps"),
    stat("Hit rate", f'sum(rate(ketch_requests_total{{{POOL},result="hit"}}[1m])) / sum(rate(ketch_requests_total{{{POOL},result=~"hit|miss"}}[1m]))', "percentunit"),
    stat("p50", f"max(pool:ketch_request_duration_seconds:p50_1m{{{POOL}}})", "s"),
    stat("p99", f"max(pool:ketch_request_duration_seconds:p99_1m{{{POOL}}})", "s"),
    stat("Errors", f"max(pool:ketch_node_error_ratio:rate1m{{{POOL}}})", "percentunit"),
    stat("Ejections", f"sum(ketch_node_ejections_total{{{POOL}}})"),
    panel("Requests/s by node", [(f"sum by (node) (rate(ketch_node_requests_total{{{POOL}}}[1m]))", "{{node}}")], "reqps", stack=True),
    panel("p99 by node", [quantiles(POOL, "node", "ketch_node_request_duration_seconds")[1]], "s"),
    panel("Errors/s by node and result", [(f'sum by (node, result) (rate(ketch_node_requests_total{{{POOL},result!="ok"}}[1m]))', "{{node}} {{result}}")], "reqps"),
    panel("Node is asked", [(f"min by (node) (ketch_node_up{{{POOL}}})", "{{node}}")], help="1 while every instance asks the node."),
    panel("Ejections/h by node and reason", [(f"sum by (node, reason) (increase(ketch_node_ejections_total{{{POOL}}}[1h]))", "{{node}} {{reason}}")]),
    panel("Share of the ring", [(f"avg by (node) (ketch_ring_share{{{POOL}}})", "{{node}}")], "percentunit"),
    panel("Waiting by node", [(f"sum by (node) (ketch_node_inflight{{{POOL}}})", "{{node}}")]),
    panel("Connections by node", [(f"sum by (node) (ketch_node_connections{{{POOL}}})", "{{node}}")]),
    panel("Load over share", [(f"sum by (node) (rate(ketch_node_requests_total{{{POOL}}}[5m])) / on (node) avg by (node) (ketch_ring_share{{{POOL}}}) / scalar(sum(rate(ketch_node_requests_total{{{POOL}}}[5m])))", "{{node}}")], help="1 when a node gets what its share of the ring promises; more is a hot key."),
    panel("Miss ratio, now and the last hour", [('pool:ketch_miss_ratio:rate5m{job=~"$job",pool=~"$pool"}', "5 min {{pool}}"), ('pool:ketch_miss_ratio:rate1h{job=~"$job",pool=~"$pool"}', "1 h {{pool}}")], "percentunit"),
    panel("In-process items", [(f"sum by (node) (ketch_embedded_items{{{POOL}}})", "{{node}}")]),
    panel("In-process evictions/s", [(f"sum by (node) (rate(ketch_embedded_evictions_total{{{POOL}}}[1m]))", "{{node}}")]),
])
