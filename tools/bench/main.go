// Command peer is what the benchmarks of the tracker are held against: a bare echo, or caddy, that answers 302. It is a
// module of its own, so that the product does not depend on caddy.
//
//	peer echo ADDRESS
//	peer caddy ADDRESS
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"runtime"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp" // its server
	"github.com/labstack/echo/v4"
)

// target is where both send everybody.
const target = "https://shop.example/boots?colour=brown&click_id=AQkBAgMEBQYHCAGiAyCie_Dx8vP09fb3KICGztsI5ycfftC5-k3XyA#size"

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: peer echo|caddy ADDRESS")
	}
	runtime.GOMAXPROCS(2) // as the tracker sets it on one core
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch os.Args[1] {
	case "echo":
		err = serveEcho(ctx, os.Args[2])
	case "caddy":
		err = serveCaddy(ctx, os.Args[2])
	default:
		err = fmt.Errorf("there is no peer %q", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}

// sale is a conversion as any handler would decode it.
type sale struct {
	OrderID    string `json:"order_id"`
	Amount     int64  `json:"amount"`
	Currency   string `json:"currency"`
	ClickID    string `json:"click_id"`
	CustomerID string `json:"customer_id"`
	Lines      []struct {
		SKU      string `json:"sku"`
		Quantity int64  `json:"quantity"`
		Amount   int64  `json:"amount"`
		Category string `json:"category"`
	} `json:"lines"`
}

// serveEcho answers links with 302, and orders with what was decoded of them.
func serveEcho(ctx context.Context, address string) error {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.GET("/c/:code", func(c echo.Context) error { return c.Redirect(http.StatusFound, target) })
	e.POST("/v1/conversions", func(c echo.Context) error {
		var order sale
		if err := c.Bind(&order); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, order)
	})
	context.AfterFunc(ctx, func() { _ = e.Close() })
	if err := e.Start(address); err != http.ErrServerClosed {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// serveCaddy answers everything with 302, as a Caddyfile of "redir" would.
func serveCaddy(ctx context.Context, address string) error {
	config := fmt.Sprintf(`{
		"admin": {"disabled": true, "config": {"persist": false}},
		"logging": {"logs": {"default": {"level": "ERROR"}}},
		"apps": {"http": {"servers": {"peer": {
			"listen": [%q],
			"automatic_https": {"disable": true},
			"protocols": ["h1"],
			"routes": [{"handle": [{"handler": "static_response", "status_code": "302", "headers": {"Location": [%q]}}]}]
		}}}}
	}`, address, target)
	if err := caddy.Load([]byte(config), true); err != nil {
		return fmt.Errorf("starting caddy: %w", err)
	}
	<-ctx.Done()
	return caddy.Stop()
}
