package commission

import (
	"time"

	"tributary/partners/program"
)

// weights gives each of several touches in the order of time, whose ages are in milliseconds, its part of the order.
func weights(model program.Model, halfLife time.Duration, ages []int64) []int64 {
	n := int64(len(ages))
	all := make([]int64, n)
	for i := range all {
		switch model {
		case program.ModelFirst:
			all[i] = truth(i == 0)
		case program.ModelLinear:
			all[i] = 1
		case program.ModelPosition:
			all[i] = positionWeight(int64(i), n)
		case program.ModelDecay:
			all[i] = decayWeight(ages[i], halfLife.Milliseconds())
		default:
			all[i] = truth(int64(i) == n-1)
		}
	}
	return all
}

func truth(holds bool) int64 {
	if holds {
		return 1
	}
	return 0
}

// positionWeight gives the first and the last of three or more touches 40 % each and those between them 20 % together, in
// whole numbers.
func positionWeight(i, n int64) int64 {
	if n > 2 && (i == 0 || i == n-1) {
		return 2 * (n - 2)
	}
	return 1
}

// decayWeight halves with each half life. It goes down in steps of a 64th of one, by the table of Decay, and never to
// nothing.
func decayWeight(age, halfLife int64) int64 {
	table := Decay()
	steps := uint64(64) * uint64(age) / uint64(max(halfLife, 1))
	return max(1, (table[steps%64]<<20)>>(steps/64))
}

// Decay is by how much a touch weighs less after each 64th of a half life: 2^20 x 2^(-i/64), rounded. The docs print it, so
// that anybody can work a weight out.
func Decay() [64]int64 {
	return [...]int64{
		1_048_576, 1_037_281, 1_026_107, 1_015_054, 1_004_120, 993_303, 982_604, 972_019,
		961_548, 951_191, 940_944, 930_809, 920_782, 910_863, 901_051, 891_345,
		881_744, 872_246, 862_850, 853_555, 844_361, 835_265, 826_268, 817_367,
		808_563, 799_853, 791_237, 782_714, 774_282, 765_942, 757_691, 749_529,
		741_455, 733_468, 725_567, 717_752, 710_020, 702_372, 694_806, 687_321,
		679_917, 672_593, 665_348, 658_181, 651_091, 644_078, 637_140, 630_276,
		623_487, 616_771, 610_127, 603_555, 597_053, 590_622, 584_260, 577_966,
		571_740, 565_581, 559_489, 553_462, 547_500, 541_603, 535_768, 529_997,
	}
}
