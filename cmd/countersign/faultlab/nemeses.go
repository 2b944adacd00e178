package main

import "time"

// nemeses are all of them, in the order in which they strike. What the lab leaves
// to other tests, or cannot do, docs/reliability.md names.
var nemeses = []nemesis{
	{id: "NM-19", name: "rolling restart, which fails nothing", strike: (*lab).rollingRestart, rest: time.Second, share: 4},
	{id: "NM-01", name: "kill -9 of replicas", strike: (*lab).killReplicas, rest: 3 * time.Second, share: 6},
	{id: "NM-02", name: "replicas that are frozen and wake up", strike: (*lab).freezeReplicas, rest: 3 * time.Second, share: 4},
	{id: "NM-03", name: "immediate restarts of PostgreSQL", strike: (*lab).restartDatabase, rest: afterDatabase, share: 5},
	{id: "NM-04", name: "outage of PostgreSQL", strike: (*lab).stopDatabase, rest: afterDatabase, share: 4},
	{id: "NM-05", name: "slow and broken lines", strike: (*lab).sickenLines, rest: 3 * time.Second, share: 6},
	{id: "NM-06", name: "a replica without its database", strike: (*lab).isolateReplica, rest: afterDatabase, share: 3},
	{id: "NM-07", name: "a replica that the balancer cannot reach", strike: (*lab).hideReplica, rest: 3 * time.Second, share: 2},
	{id: "NM-08", name: "full disk of the database", strike: (*lab).fillDisk, rest: 3 * time.Second, share: 3},
	{id: "NM-10", name: "exhausted pool of connections", strike: (*lab).exhaustPool, rest: 3 * time.Second, share: 3},
	{id: "NM-11", name: "rotation of keys while replicas are killed", strike: (*lab).rotateKeys, rest: 3 * time.Second, share: 7},
	{id: "NM-13", name: "approvals toggled while replicas are killed", strike: (*lab).toggleFast, rest: 3 * time.Second, share: 5},
	{id: "NM-17", name: "a flood of sign-ins", strike: (*lab).floodSignIns, rest: time.Second, share: 3},
	{id: "NM-18", name: "slow and oversized clients", strike: (*lab).pesterReplicas, rest: time.Second, share: 3},
	{id: "NM-20", name: "store operations that fail, one at a time", strike: (*lab).failStores, rest: 2 * time.Second, share: 5},
	{id: "NM-22", name: "an audit record that cannot be written", strike: (*lab).failAudit, rest: 2 * time.Second, share: 2},
	{id: "NM-09", name: "a replica with another clock", strike: (*lab).skewClock, rest: 2 * time.Second, share: 6},
	{id: "NM-16", name: "a standby that takes the place of PostgreSQL", strike: (*lab).promoteStandby, rest: afterDatabase, share: 4},
}
