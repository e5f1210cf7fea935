package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
)

// inside is the listener for those who look after the network: is this process alive, can it do its work, and what does
// it count. It asks nobody who they are, so it belongs on loopback or on a network of one's own.
func (r *river) inside(ctx context.Context) error {
	if r.cfg.AdminListen == "" {
		return nil
	}
	listener, err := listen(ctx, r.cfg.AdminListen)
	if err != nil {
		return err
	}
	defer listener.Close()
	return serveHTTP(ctx, listener, localHosts(r.cfg.AdminListen, "", r.insideHandler()), r.log)
}

func (r *river) insideHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", r.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.metrics, promhttp.HandlerOpts{}))
	if r.cfg.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// readyz answers 200 when every role of this process can do its work, else 503, and says what is missing: as text, or as
// JSON to who asks for that.
func (r *river) readyz(w http.ResponseWriter, request *http.Request) {
	ready, states := r.ready.ask(request.Context())
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Cache-Control", "no-store")
	if strings.Contains(request.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(struct {
			Ready bool        `json:"ready"`
			Roles []roleState `json:"roles"`
		}{ready, states}); err != nil {
			r.log.Debug("the answer to /readyz cannot be sent", "error", err)
		}
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	for _, s := range states {
		fmt.Fprintln(w, s)
	}
}

// isLoopback tells whether only this machine can reach an address to listen on.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func newHealth(a *app) *cobra.Command {
	var ready bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the process behind --admin-listen whether it is alive; exits 1 when not",
		Long: `Ask the process behind --admin-listen whether it is alive, or with --ready whether its roles have what they need, and print
its answer. Exits 1 when not.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := "/livez"
			if ready {
				path = "/readyz"
			}
			return askInside(cmd.Context(), a.cfg.AdminListen, path, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether it can do its work, too")
	return cmd
}

// askInside asks another process on this machine, and prints its answer.
func askInside(ctx context.Context, listen, path string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 2*readyLimit)
	defer cancel()
	if host, port, err := net.SplitHostPort(listen); err == nil && (host == "" || host == "0.0.0.0" || host == "::") {
		listen = net.JoinHostPort("127.0.0.1", port)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: time.Minute}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(out, io.LimitReader(response.Body, 64<<10)); err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking for health: %s", response.Status)
	}
	return nil
}
