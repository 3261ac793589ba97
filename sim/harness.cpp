// Steps the compiled fabric and records what it does; Python sees plain arrays.
// `units.h` is generated: it names the model's class and copies each unit's trace port.
#include <cstdint>
#include <cstring>
#include <string>
#include "verilated.h"
#ifdef RANVIER_WAVEFORM
#include "verilated_vcd_c.h"
#endif
#include "units.h"

namespace {

// One growing record of fixed-size rows in memory that the caller owns.
struct Record {
    uint32_t* rows;
    uint64_t room;
    uint64_t count;
};

struct Simulation {
    VerilatedContext context;
    Vfabric model{&context};
    uint64_t clocks = 0;
    uint64_t waits = 0;            // clocks of these in which the fabric waited for input values
#ifdef RANVIER_WAVEFORM
    VerilatedVcdC waveform;
    std::string path;              // file to draw into, from clock `first` to clock `last`
    uint64_t first = 0, last = 0;
    bool drawing = false;

    Simulation() { context.traceEverOn(true); }

    void draw() {
        if (!drawing && !path.empty() && clocks >= first) {
            waveform.open(path.c_str());
            drawing = true;
        } else if (drawing && clocks > last) {
            waveform.close();
            drawing = false;
            path.clear();
        }
    }
#endif

    void half(int level) {
        model.clk = level;
        model.eval();
#ifdef RANVIER_WAVEFORM
        if (drawing) waveform.dump(2 * clocks + (level ? 0 : 1));
#endif
    }
    void clock() {
#ifdef RANVIER_WAVEFORM
        draw();
#endif
        half(1);
        half(0);
        ++clocks;
        waits += model.waiting;
    }
    void access(uint32_t address, uint32_t data, int write, int read) {
        model.address = address;
        model.data = data;
        model.write = write;
        model.read = read;
    }
};

bool append(Record& record, const uint32_t* row, unsigned words) {
    if (record.count >= record.room) return false;
    std::memcpy(record.rows + record.count * words, row, words * sizeof(uint32_t));
    ++record.count;
    return true;
}

// The records of a run. A null `rows` keeps no record.
struct Records {
    Record ticks;                  // clock of each tick's start, waits left out: 2 words
    Record words;                  // spike words: address, bits
    Record states[UNITS];          // stored state words: address, data
    Record readouts[UNITS];        // last membranes of windows: address, data
};

template <typename Trace>
bool observe_unit(const Trace& trace, Record& states, Record& readouts) {
    uint32_t row[ROW_WORDS];
    if (trace.valid && states.rows) {
        row[0] = trace.address;
        copy(row + 1, trace.data);
        if (!append(states, row, 1 + Trace::words)) return false;
    }
    if (trace.readout_valid && readouts.rows) {
        row[0] = trace.address;
        copy(row + 1, trace.readout);
        if (!append(readouts, row, 1 + Trace::readout_words)) return false;
    }
    return true;
}

bool observe(Simulation& s, Records& records) {
    uint32_t row[ROW_WORDS];
    if (s.model.tick && records.ticks.rows) {
        const uint64_t busy = s.clocks - s.waits;
        row[0] = uint32_t(busy);
        row[1] = uint32_t(busy >> 32);
        if (!append(records.ticks, row, 2)) return false;
    }
    if (s.model.spike_valid && records.words.rows) {
        row[0] = s.model.spike_address;
        copy(row + 1, s.model.spike_bits);
        if (!append(records.words, row, 1 + SPIKE_WORDS)) return false;
    }
    return OBSERVE_UNITS(s.model, records);
}

}  // namespace

extern "C" {

Simulation* ranvier_open() {
    auto* s = new Simulation;
    s->model.rst = 1;
    s->access(0, 0, 0, 0);
    s->half(0);
    for (int n = 0; n < 4; ++n) s->clock();
    s->model.rst = 0;
    s->clock();
    return s;
}

void ranvier_close(Simulation* s) {
#ifdef RANVIER_WAVEFORM
    if (s->drawing) s->waveform.close();
#endif
    s->model.final();
    delete s;
}

uint64_t ranvier_clocks(Simulation* s) { return s->clocks; }

void ranvier_write(Simulation* s, const uint32_t* pairs, uint64_t count) {
    for (uint64_t n = 0; n < count; ++n) {
        s->access(pairs[2 * n], pairs[2 * n + 1], 1, 0);
        s->clock();
        if (WRITE_STAYS) {
            s->model.write = 0;
            s->clock();
        }
    }
    s->access(0, 0, 0, 0);
    s->clock();
}

void ranvier_read(Simulation* s, const uint32_t* addresses, uint32_t* values, uint64_t count) {
    for (uint64_t n = 0; n < count; ++n) {
        s->access(addresses[n], 0, 0, 1);
        s->clock();
        s->access(addresses[n], 0, 0, 0);
        for (int clocks = 1; clocks < READ_LATENCY; ++clocks) s->clock();
        values[n] = s->model.value;
    }
}

// Give the run command, feed `banks` sets of input values as banks become free, and go on until the fabric
// is at rest (1: done, 0: `most_clocks` passed, -1: a record is full). Pass command 0 to go on after a 0.
int ranvier_run(Simulation* s, uint32_t command_address, uint32_t command, const uint32_t* inputs, uint64_t writes,
                uint64_t banks, uint64_t most_clocks, Records* records) {
    const uint64_t end = s->clocks + most_clocks;
    uint64_t bank = 0, write = 0;
    int settle = 0;
    if (command) {
        s->access(command_address, command, 1, 0);
        s->clock();
        s->model.write = 0;
        for (int clocks = 1; clocks < ACCESS_LATENCY; ++clocks) s->clock();
    }
    while (s->clocks < end) {
        if (bank < banks && settle == 0 && s->model.room) {
            if (WRITE_STAYS && s->model.write) {
                s->model.write = 0;
            } else if (write < writes) {
                const uint32_t* pair = inputs + 2 * (bank * writes + write++);
                s->access(pair[0], pair[1], 1, 0);
            } else {
                s->access(command_address, 4, 1, 0);
                write = 0;
                ++bank;
                settle = 4;
            }
        } else {
            s->model.write = 0;
            if (settle) --settle;
        }
        s->clock();
        if (!observe(*s, *records)) return -1;
        if (!s->model.running && bank == banks) {
            s->access(0, 0, 0, 0);
            for (int n = 0; n < DRAIN_CLOCKS; ++n) {   // what the pipelines still hold
                s->clock();
                if (!observe(*s, *records)) return -1;
            }
            return 1;
        }
    }
    return 0;
}

#ifdef RANVIER_WAVEFORM
// Draw the clocks from `first` to `last` into a VCD file.
void ranvier_waveform(Simulation* s, const char* path, uint64_t first, uint64_t last) {
    s->model.trace(&s->waveform, 99);
    s->path = path;
    s->first = first;
    s->last = last;
}
#endif

}
