// Drives the UART pins of a compiled device bit by bit, and samples what it sends. Python sees bytes and symbols.
#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>
#include "Vdevice.h"
#include "verilated.h"

namespace {

// Levels on the line, the first in bit 0, each for one bit time of the host; the last one for the rest of `bits`.
struct Symbol {
    uint32_t levels;
    uint32_t bits;
};

constexpr uint64_t ONE = 1 << 16;      // a clock, in the fixed point of bit times

struct Device {
    VerilatedContext context;
    Vdevice model{&context};
    uint64_t clocks = 0;
    uint64_t bit_time = 8 * ONE;       // of the host, in clocks
    // sender
    std::deque<Symbol> queue;
    uint32_t bit = 0;                  // of the symbol at the front
    uint64_t until = 0;                // clocks that the present bit still lasts
    // receiver
    std::vector<uint8_t> received;
    int place = -1;                    // bit in hand: 0 start, 1 to 8 data, 9 stop; -1: idle
    uint64_t sample = 0;               // clocks until it is sampled
    uint32_t byte = 0;
    bool was_low = false;

    void clock() {
        drive();
        model.clk = 1;
        model.eval();
        model.clk = 0;
        model.eval();
        ++clocks;
        listen();
    }

    void drive() {
        if (until < ONE) next_bit();
        if (until >= ONE) until -= ONE;
    }

    void next_bit() {
        if (queue.empty()) {
            model.rx = 1;
            until = 0;
            return;
        }
        const Symbol& front = queue.front();
        model.rx = front.levels >> (bit < 31 ? bit : 31) & 1;
        until += bit_time;
        if (++bit >= front.bits) {
            queue.pop_front();
            bit = 0;
        }
    }

    void listen() {
        const bool low = !model.tx;
        if (place < 0) {
            if (low && !was_low) {
                place = 0;
                sample = bit_time / 2;
            }
        } else if (sample >= ONE) {
            sample -= ONE;
        } else {
            take(low);
        }
        was_low = low;
    }

    void take(bool low) {
        sample += bit_time - ONE;
        if (place == 0) {
            place = low ? 1 : -1;      // a glitch is no start
            byte = 0;
        } else if (place <= 8) {
            byte |= uint32_t(!low) << (place - 1);
            ++place;
        } else {
            if (!low) received.push_back(uint8_t(byte));    // no stop bit: the byte is lost
            place = -1;
        }
    }

    bool sending() const { return !queue.empty() || until >= ONE; }
};

}  // namespace

extern "C" {

Device* device_open() {
    auto* d = new Device;
    d->model.rst = 1;
    d->model.rx = 1;
    d->model.reset = 0;
    for (int n = 0; n < 4; ++n) d->clock();
    d->model.rst = 0;
    d->clock();
    return d;
}

void device_close(Device* d) {
    d->model.final();
    delete d;
}

uint64_t device_clocks(Device* d) { return d->clocks; }

// Clocks of a bit of the host, times 65536.
void device_bit_time(Device* d, uint64_t bit_time) { d->bit_time = bit_time; }

void device_send(Device* d, const Symbol* symbols, uint64_t count) {
    d->queue.insert(d->queue.end(), symbols, symbols + count);
}

// Clocks pass until `wanted` received bytes are there, or, with `sent`, all symbols are out, but at most `most`; how many did.
uint64_t device_run(Device* d, uint64_t most, uint64_t wanted, int sent) {
    const uint64_t start = d->clocks;
    while (d->clocks - start < most) {
        if (wanted && d->received.size() >= wanted) break;
        if (sent && !d->sending()) break;
        d->clock();
    }
    return d->clocks - start;
}

uint64_t device_waiting(Device* d) { return d->received.size(); }

void device_take(Device* d, uint8_t* bytes, uint64_t count) {
    std::memcpy(bytes, d->received.data(), count);
    d->received.erase(d->received.begin(), d->received.begin() + count);
}

void device_reset_pin(Device* d, int level) { d->model.reset = level; }

// Bit 0 heartbeat, bit 1 busy, bit 2 error, bit 3 tx.
uint32_t device_pins(Device* d) {
    return d->model.heartbeat | d->model.busy << 1 | d->model.error << 2 | d->model.tx << 3;
}

}
