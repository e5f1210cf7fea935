package main

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatWrkSaysIsRead(t *testing.T) {
	t.Parallel()
	const said = `Running 2s test @ http://127.0.0.1:1
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.93ms    1.72ms  18.67ms   72.99%
  Latency Distribution
     50%    2.40ms
     99%    %s
  54231 requests in 2.00s, 15.10MB read
Requests/sec:  27114.18
Transfer/sec:      7.55MB
`
	for text, want := range map[string]float64{"875.00us": 0.875, "9.48ms": 9.48, "1.20s": 1200} {
		got, requests, err := readWrk(string(bytes.Replace([]byte(said), []byte("%s"), []byte(text), 1)))
		if err != nil || requests != 54231 || got.perSecond != 27114.18 || got.p99 != want {
			t.Errorf("%s: %+v of %v requests, %v", text, got, requests, err)
		}
	}
	if _, _, err := readWrk("unable to connect"); err == nil {
		t.Error("a run without figures gave no error")
	}
}

func TestAFigureSaysWhetherItMeetsItsAim(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		figure figure
		aim    string
		want   string
	}{
		{figure{Name: "a", Value: 30_000, Unit: "1/s", Against: "echo", AgainstValue: 60_000}, ">= 0.6", `{"name":"a","value":30000,"unit":"1/s","against":"echo","against_value":60000,"ratio":0.5,"aim":">= 0.6","met":false}`},
		{figure{Name: "a", Value: 2, Unit: "ms", Against: "echo", AgainstValue: 1}, "<= 3", `{"name":"a","value":2,"unit":"ms","against":"echo","against_value":1,"ratio":2,"aim":"<= 3","met":true}`},
		{figure{Name: "a", Value: 0.123456, Unit: "s"}, "<= 1", `{"name":"a","value":0.1235,"unit":"s","aim":"<= 1","met":true}`},
		{figure{Name: "a", Value: 98.76543, Unit: "MB"}, "", `{"name":"a","value":98.77,"unit":"MB"}`},
	} {
		var out bytes.Buffer
		b := &bench{output: json.NewEncoder(&out)}
		b.output.SetEscapeHTML(false)
		if err := b.report(row.figure, row.aim); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(row.want+"\n", out.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestAProcessIsOfItsOwnFamily(t *testing.T) {
	t.Parallel()
	p := &process{name: "this test", pid: os.Getpid()}
	resident, proportional, err := p.memory()
	if err != nil || resident <= 0 || proportional <= 0 || proportional > resident {
		t.Errorf("%.1f MB resident, %.1f proportional, %v", resident, proportional, err)
	}
	if used, err := p.cpu(); err != nil || usedByAll(p.pid) < used {
		t.Errorf("%s of its own, %s of all, %v", used, usedByAll(p.pid), err)
	}
}
