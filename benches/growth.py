#!/usr/bin/env python3
"""What a request costs as the gateway's work grows: more APIs, versions, connections, larger bodies.

    VERGATE_BIN=../target/release/vergate python3 growth.py ../docs/performance

Writes growth.svg and growth.json into the folder named. Needs nginx, wrk and taskset; the machine must be quiet.
CPU is utime + stime of the gateway's process, pinned to core 0 with one worker; load and backend run on core 1.
"""
import json, os, re, resource, shutil, socket, statistics, subprocess as sp, sys, tempfile, time

TICK = os.sysconf("SC_CLK_TCK")
GATEWAY, ADMIN, BACKEND = 18480, 18481, 18482
WORK = tempfile.mkdtemp(prefix="growth.")
os.chmod(WORK, 0o755)
ROUNDS = 2
STARTED = []
SIZES = [0, 1 << 10, 10 << 10, 100 << 10, 1 << 20, 10 << 20, 100 << 20]


def start(cmd, core, port):
    def files():
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    log = open(os.path.join(WORK, "log"), "ab")
    process = sp.Popen(["taskset", "-c", str(core)] + cmd, stdin=sp.DEVNULL, stdout=log, stderr=log, preexec_fn=files)
    STARTED.append(process)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    sys.exit("%s did not start: %s" % (cmd[0], open(log.name).read()[-500:]))


def stop(process):
    process.terminate()
    process.wait(10)


def cpu(process):
    with open("/proc/%d/stat" % process.pid) as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def backend():
    www = os.path.join(WORK, "www")
    os.makedirs(www)
    for size in SIZES:
        with open(os.path.join(www, str(size)), "wb") as body:
            body.truncate(size)
    conf = os.path.join(WORK, "nginx.conf")
    temp = " ".join("%s_temp_path %s/t;" % (name, WORK) for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(conf, "w") as text:
        text.write("""daemon off; worker_processes 1; worker_rlimit_nofile 40000; pid %s/pid; error_log stderr crit;
events { worker_connections 30000; multi_accept on; }
http { access_log off; sendfile on; open_file_cache max=100; keepalive_requests 1000000000; %s
server { listen 127.0.0.1:%d backlog=4096; root %s; location / { return 200 '%s'; } location /size/ { alias %s/; } } }
""" % (WORK, temp, BACKEND, www, "x" * 256, www))
    return start(["nginx", "-c", conf, "-e", "stderr"], 1, BACKEND)


def gateway(apis=1, versions=1):
    names = ['"%d.0"' % n for n in range(1, versions + 1)]
    lines = ["listen: 127.0.0.1:%d" % GATEWAY, "admin: {listen: 127.0.0.1:%d}" % ADMIN, "workers: 1",
             "log: {requests: off}", "limits: {connections: 12000}", "timeouts: {request_header: 10m}", "upstreams:", "  one: http://127.0.0.1:%d" % BACKEND, "apis:"]
    for n in range(apis):
        lines += ["  api-%d:" % n, "    path: %s" % ("/" if apis == 1 else "/api-%d" % n), "    versions:"]
        lines += ["      %s: {upstream: one}" % name for name in names]
    conf = os.path.join(WORK, "gateway.yaml")
    with open(conf, "w") as text:
        text.write("\n".join(lines) + "\n")
    return start([os.environ.get("VERGATE_BIN", "vergate"), "run", "-c", conf], 0, GATEWAY)


def per_request(process, path, connections=64, header=None, seconds=2):
    """CPU microseconds of one request; the median of the rounds."""
    costs = []
    for turn in range(ROUNDS + 1):
        before = cpu(process)
        cmd = ["taskset", "-c", "1", "wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--timeout", "10s"]
        cmd += ["-H", header] if header else []
        out = sp.run(cmd + ["http://127.0.0.1:%d%s" % (GATEWAY, path)], capture_output=True, text=True).stdout
        if re.search("Non-2xx", out):
            sys.exit("refused: " + out)
        requests = int(re.search(r"(\d+) requests in", out).group(1))
        # The first round warms up.
        if turn and requests:
            costs.append((cpu(process) - before) * 1e6 / requests)
    return statistics.median(costs)


def series():
    def apis():
        for n in (1, 10, 100, 1000):
            process = gateway(apis=n)
            yield n, per_request(process, "/" if n == 1 else "/api-%d/x" % (n // 2))
            stop(process)

    def versions():
        for n in (1, 5, 20, 50):
            process = gateway(versions=n)
            yield n, per_request(process, "/", header="X-API-Version: %d.0" % ((n + 1) // 2))
            stop(process)

    def connections():
        """64 are busy, the others idle."""
        process, idle = gateway(), []
        for n in (64, 1000, 3000, 10000):
            while len(idle) < n - 64:
                idle.append(socket.create_connection(("127.0.0.1", GATEWAY), 5))
            yield n, per_request(process, "/")
        stop(process)

    def bodies():
        process = gateway()
        for size in SIZES:
            yield size, per_request(process, "/size/%d" % size, connections=8, seconds=2 if size < 10 << 20 else 4)
        stop(process)

    return [("APIs", "", apis), ("versions of one API", "", versions), ("client connections, 64 of them busy", "", connections),
            ("bytes of a response body", "B", bodies)]


def short(number):
    for limit, unit in ((1 << 20, "Mi"), (1 << 10, "Ki")):
        if number >= limit and number % limit == 0:
            return "%d %s" % (number // limit, unit)
    return "%g" % number if number < 10000 else "%dk" % (number // 1000)


def panel(x0, title, points, unit):
    """One plot, both axes logarithmic where the figures spread that far."""
    import math
    width, height, left, top = 330, 190, x0 + 60, 50
    xs = [math.log10(max(x, 0.5 if not unit else 100)) for x, _ in points]
    ys = [y for _, y in points]
    wide = max(ys) > 20 * min(ys)
    low, high = (min(ys) / 2, max(ys) * 2) if wide else (0, max(ys) * 1.3)
    scale = (lambda y: (math.log10(y) - math.log10(low)) / (math.log10(high) - math.log10(low))) if wide else (lambda y: y / high)
    at = [(left + (x - xs[0]) / (xs[-1] - xs[0]) * width, top + height - scale(y) * height) for x, y in zip(xs, ys)]
    out = ['<text x="%d" y="24" class="t">%s</text>' % (left, title),
           '<rect x="%d" y="%d" width="%d" height="%d" class="f"/>' % (left, top, width, height),
           '<polyline points="%s" class="l"/>' % " ".join("%.1f,%.1f" % point for point in at)]
    for (x, y), (value, cost) in zip(at, points):
        text = "%.1f" % cost if cost < 1000 else "%.0f" % cost
        out.append('<circle cx="%.1f" cy="%.1f" r="3"/><text x="%.1f" y="%.1f" class="m">%s</text>' % (x, y, x, y - 9, text))
        out.append('<text x="%.1f" y="%d" class="m">%s%s</text>' % (x, top + height + 18, short(value), unit))
    return out


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "."
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    process = backend()
    figures, drawing = {}, []
    try:
        for n, (title, unit, measure) in enumerate(series()):
            points = list(measure())
            figures[title] = points
            print(title, ", ".join("%s: %.1f us" % (short(x), y) for x, y in points), flush=True)
            drawing += panel(n % 2 * 430, title, points, unit) if n < 2 else [
                '<g transform="translate(0 270)">'] + panel(n % 2 * 430, title, points, unit) + ["</g>"]
    finally:
        for each in STARTED:
            if each.poll() is None:
                stop(each)
        shutil.rmtree(WORK, ignore_errors=True)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "growth.json"), "w") as text:
        json.dump(figures, text, indent=1)
    style = ("text{font:12px sans-serif;fill:#222}.t{font-weight:bold}.m{text-anchor:middle;font-size:10px}"
             ".f{fill:#fafafa;stroke:#bbb}.l{fill:none;stroke:#1f6feb;stroke-width:2}circle{fill:#1f6feb}")
    with open(os.path.join(folder, "growth.svg"), "w") as text:
        text.write('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 550"><style>%s</style><rect width="860" height="550" '
                   'fill="#fff"/>%s<text x="60" y="540">CPU microseconds for each request, one worker</text></svg>\n' % (style, "".join(drawing)))


if __name__ == "__main__":
    main()
