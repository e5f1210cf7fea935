package dashboard

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"tributary/partners/access"
)

// Every entry of the navigation is a page of its audience that asks for the same permission, and stands there once.
func TestTheNavigationLeadsToPagesThatExist(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	for _, who := range []audience{partnerOnly, merchantOnly, operatorOnly} {
		seen := map[string]bool{}
		for _, tab := range tabs(who) {
			is := slices.ContainsFunc(w.server.routes(), func(r route) bool {
				return r.method == get && r.who == who && r.path == tab.path && r.may == tab.may
			})
			if !is || seen[tab.path] || iconPath(tab.icon) == iconPath("") {
				t.Errorf("%s: %s is no page of theirs by the permission %q, stands there twice, or has no icon", who, tab.path, tab.may)
			}
			seen[tab.path] = true
		}
		if len(seen) <= barTabs {
			t.Errorf("%s has %d tabs", who, len(seen))
		}
	}
}

// The rail lists what the role may open. The bar of a phone is its first four and the button that opens it.
func TestTheNavigationIsOfTheRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	links := func(page reply, class string) (paths []string) {
		for _, n := range page.find(t, func(n *html.Node) bool {
			c, _ := attr(n, "class")
			return n.Data == "nav" && strings.HasPrefix(c, class)
		}) {
			for a := range n.Descendants() {
				if href, ok := attr(a, "href"); ok {
					paths = append(paths, href)
				}
			}
		}
		return paths
	}
	owner := w.as("shop@example.net").page("/merchant")
	rail, bar := links(owner, "tabs"), links(owner, "foot-bar")
	if !slices.Contains(rail, "/merchant/audit") || !slices.Equal(bar, rail[:barTabs]) || !strings.Contains(owner.body, `popovertarget="rail"`) {
		t.Errorf("an owner has %q, and %q on a phone", rail, bar)
	}
	w.person("viewer@example.net", access.Viewer, access.Scope{Merchant: w.shop})
	if rail := links(w.as("viewer@example.net").page("/merchant"), "tabs"); len(rail) < barTabs || slices.Contains(rail, "/merchant/audit") {
		t.Errorf("who may not read the audit log has %q", rail)
	}
}
