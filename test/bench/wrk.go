package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Headers of a browser whose person follows a link.
func browser() []string {
	return []string{
		"-H", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"-H", "Sec-Fetch-Dest: document", "-H", "Sec-Fetch-Mode: navigate",
	}
}

// load is what came of putting a server under load.
type load struct {
	perSecond float64
	p99       float64 // ms
	cpu       float64 // of the server, microseconds a request
}

// loads are several turns of it.
type loads []load

func (l loads) median(of func(load) float64) float64 {
	values := make([]float64, len(l))
	for i := range l {
		values[i] = of(l[i])
	}
	return median(values)
}

func (l loads) perSecond() float64 { return l.median(func(l load) float64 { return l.perSecond }) }
func (l loads) p99() float64       { return l.median(func(l load) float64 { return l.p99 }) }
func (l loads) cpu() float64       { return l.median(func(l load) float64 { return l.cpu }) }

// wrk puts a server under load from the second core for some seconds. An answer that is neither 2xx nor 3xx, or none, is
// an error.
func wrk(ctx context.Context, server *process, connections int, seconds time.Duration, url string, arguments []string) (load, error) {
	before, err := server.cpu()
	if err != nil {
		return load{}, err
	}
	command := append([]string{"-c", "1", "wrk", "-t1", "-c" + strconv.Itoa(connections), "-d" + seconds.String(), "--latency"}, arguments...)
	out, err := exec.CommandContext(ctx, "taskset", append(command, url)...).CombinedOutput()
	text := string(out)
	if err != nil || strings.Contains(text, "Non-2xx") || strings.Contains(text, "Socket errors") {
		return load{}, fmt.Errorf("putting %s under load: %w\n%s", server.name, err, text)
	}
	after, err := server.cpu()
	if err != nil {
		return load{}, err
	}
	l, requests, err := readWrk(text)
	l.cpu = float64((after - before).Microseconds()) / requests
	return l, err
}

// readWrk reads what wrk says of a run.
func readWrk(text string) (l load, requests float64, err error) {
	numbers := map[string]string{}
	for name, pattern := range map[string]string{"rate": `Requests/sec:\s+([\d.]+)`, "requests": `(\d+) requests in`, "p99": `(?m)^ +99%\s+(\S+)`} {
		m := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if m == nil {
			return load{}, 0, fmt.Errorf("reading what wrk says: there is no %s in\n%s", name, text)
		}
		numbers[name] = m[1]
	}
	rate, err1 := strconv.ParseFloat(numbers["rate"], 64)
	requests, err2 := strconv.ParseFloat(numbers["requests"], 64)
	p99, err3 := time.ParseDuration(numbers["p99"])
	if err := firstError(err1, err2, err3); err != nil {
		return load{}, 0, fmt.Errorf("reading what wrk says: %w", err)
	}
	return load{perSecond: rate, p99: float64(p99.Microseconds()) / 1000}, requests, nil
}
