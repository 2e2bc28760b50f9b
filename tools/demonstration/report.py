# SPDX-License-Identifier: Apache-2.0
"""The demonstration's table and sentence, from the figures that measure.py printed. Pure."""

CLASSES = {"home": ("critical", "2"), "profile": ("standard", "1"), "resize": ("bulk", "0.3")}
ARMS = (("alone", "alone"), ("classes", "with classes"), ("equal", "without classes"),
        ("weight", "cpu.weight"))


def percentile(values, share):
    """Nearest rank; None where there is nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def rows(figures):
    result = []
    for function, (price_class, price) in CLASSES.items():
        row = {"class": price_class, "price": price, "function": function, "arms": {}}
        for arm, _ in ARMS:
            samples = figures["samples"][arm][function]
            latencies = [sample["latency"] for sample in samples]
            row["arms"][arm] = {
                "count": len(samples),
                "p50_ms": milliseconds(percentile(latencies, 50)),
                "p99_ms": milliseconds(percentile(latencies, 99)),
                "cpu_wait_ms": milliseconds(percentile([s["pressure"] for s in samples], 50))}
        costs = [sample["cost"] for sample in figures["samples"]["classes"][function]]
        row["cost_micro_cents"] = round(sum(costs) / len(costs), 6) if costs else None
        result.append(row)
    return result


def milliseconds(seconds):
    return None if seconds is None else round(seconds * 1000, 1)


def cell(arm):
    if arm["p50_ms"] is None:
        return "-"
    return f"{arm['p50_ms']:.0f} / {arm['p99_ms']:.0f}"


def table(lines):
    head = ["class", "price", "function", *(f"{title}" for _, title in ARMS), "cost"]
    body = [[line["class"], line["price"], line["function"],
             *(cell(line["arms"][arm]) for arm, _ in ARMS),
             "-" if line["cost_micro_cents"] is None else f"{line['cost_micro_cents']:.4f}"]
            for line in lines]
    widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
    text = ["latency p50 / p99 in ms; price in micro-cents per CPU-second, cost per call in micro-cents",
            ""]
    for row in [head, ["-" * width for width in widths], *body]:
        text.append("  ".join(value.ljust(width) for value, width in zip(row, widths)).rstrip())
    return "\n".join(text) + "\n"


def sentence(lines):
    """One sentence made of the table's own figures, whichever way they turned out."""
    home, bulk = lines[0]["arms"], lines[2]["arms"]
    alone = home["alone"]["p99_ms"]
    if not alone or any(home[arm]["p99_ms"] is None for arm, _ in ARMS):
        return "Too few requests ended for a comparison; run it with more --seconds."
    ratio = {arm: home[arm]["p99_ms"] / alone for arm, _ in ARMS}
    return (f"Under 4x overload of bulk work the p99 of `home` is {ratio['classes']:.2f}x its p99 alone "
            f"with classes, {ratio['equal']:.2f}x without, {ratio['weight']:.2f}x with cpu.weight "
            f"10000:1; meanwhile {bulk['classes']['count']} bulk jobs ended with classes and "
            f"{bulk['equal']['count']} without.\n")


def footnote(figures):
    counts = [len(figures["samples"][arm]["home"]) for arm, _ in ARMS]
    return (f"{figures['cpus']} CPUs, {figures['class_cpus']} of them for jobs, Linux {figures['kernel']}, {figures['blocks']} interleaved blocks of "
            f"{figures['block_seconds']:.0f} s a regime, {min(counts)} to {max(counts)} calls of `home` in "
            "each; latency from acceptance to end, as the job's record says. Emulated guests are slow: "
            "compare columns, not milliseconds. `alone` has an idle-class spinner on every CPU.\n")


def as_json(figures, lines):
    return {"rows": lines, "sentence": sentence(lines).strip(),
            **{key: figures[key] for key in ("cpus", "class_cpus", "kernel", "work", "blocks", "block_seconds")},
            "samples": figures["samples"]}
