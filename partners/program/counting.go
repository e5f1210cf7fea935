package program

// Counting are the rules on periods by which a partner's orders are counted: what Periods gives, compiled.
func (s *Scheme) Counting(partner PartnerID, e *Enrolment) []*Counting {
	periods := s.Periods(partner, e)
	if len(periods) == 0 {
		return nil
	}
	rules := make([]*Counting, len(periods))
	for i := range periods {
		rule := s.counting[&periods[i]]
		if rule == nil { // agreed with the partner alone
			rule = s.count(&periods[i])
		}
		rules[i] = rule
	}
	return rules
}

// compilePeriods compiles the rules on periods of the document, which is a version of the terms.
func (s *Scheme) compilePeriods(version int) {
	s.version, s.counting = version, map[*Period]*Counting{}
	lists := [][]Period{s.Document.Periods}
	for i := range s.Document.Overrides {
		lists = append(lists, s.Document.Overrides[i].Periods)
	}
	for _, list := range lists {
		for i := range list {
			s.counting[&list[i]] = s.count(&list[i])
		}
	}
}

// count compiles one rule. The network's fee is on what partners are paid alone.
func (s *Scheme) count(p *Period) *Counting {
	rule := PeriodRule{Version: s.version, Zone: s.Document.Zone, Period: *p}
	if p.To == "" || p.To == ToPartner {
		rule.NetworkFee = s.Document.NetworkFee
	}
	return &Counting{PeriodRule: rule, ID: rule.ID(), Zone: s.Zone}
}
