/** Makes a fault of the schedule happen, and ends it; and puts everything right when the time of faults is over. */
import { unreachable } from '../../../protocol/errors.ts';
import type { AnyDevice } from '../../fleet/device.ts';
import type { Conditions } from '../network/conditions.ts';
import type { Run } from '../../fleet/run.ts';
import { soundNode } from '../chain/virtual-l2.ts';
import type { RamFlash } from '../flash/ram-flash.ts';
import { HOUR } from '../world/world.ts';
import { aim } from './aim.ts';
import type { Fault } from './schedule.ts';

/** Raises a condition for a while. */
function window(simulation: Run, fault: Fault, key: keyof Conditions): void {
  const hit = simulation.weather.hitBy(fault);
  for (const conditions of hit) conditions[key] += fault.size;
  end(simulation, fault, () => {
    for (const conditions of hit) conditions[key] -= fault.size;
  });
}

/** Plans the end of a fault, unless healing comes first. */
function end(simulation: Run, fault: Fault, action: () => void): void {
  const at = simulation.world.nowMs + fault.forMs;
  if (at < simulation.activeUntilMs) simulation.world.at(at, action);
}

export function applyFault(simulation: Run, fault: Fault): void {
  const { world, hub, chain, broker, fleet } = simulation;
  const device = fleet.devices[fault.device]!;
  switch (fault.kind) {
    case 'tapLoss':
    case 'tapDuplicate':
    case 'tapReorder':
    case 'tapGarble':
      return window(simulation, fault, fault.kind);
    case 'tapSlow':
      return window(simulation, fault, 'tapSlowMs');
    case 'uplinkLoss':
      window(simulation, fault, 'downLoss');
      return window(simulation, fault, 'upLoss');
    case 'uplinkDuplicate':
      window(simulation, fault, 'downDuplicate');
      return window(simulation, fault, 'upDuplicate');
    case 'uplinkReorder':
      return window(simulation, fault, 'upReorder');
    case 'partition': {
      const was = broker.isConnected(device.id);
      broker.cutOff.add(device.id);
      device.goOffline();
      return end(simulation, fault, () => {
        broker.cutOff.delete(device.id);
        if (was) device.goOnline();
      });
    }
    case 'brokerRestart':
      return broker.restart();
    case 'hubCrash':
      hub.crash();
      return end(simulation, fault, () => {
        if (!simulation.options.scenario.hubDown) hub.start();
      });
    case 'slowDisk':
      hub.disk.slowMs += fault.size;
      return end(simulation, fault, () => {
        hub.disk.slowMs -= fault.size;
      });
    case 'diskFailure':
      hub.disk.fails = true;
      return end(simulation, fault, () => {
        hub.disk.fails = false;
      });
    case 'powerCut':
      if (device.power === 'off') return;
      if (fault.size === 0) {
        device.powerOff('the script');
        return end(simulation, fault, () => bootOnline(simulation, device));
      }
      // The power goes at one of its next effects; a device that does nothing meanwhile just loses it later.
      if (device.program !== undefined && fault.size % 2 === 0) device.cutInSteps = 1 + (fault.size % 3);
      else device.cutIn = fault.size;
      return restartLater(simulation, device, fault);
    case 'flashCut':
      if (device.flash === undefined || device.power === 'off') return;
      device.flash.cutAt = device.flash.operations + fault.size;
      return restartLater(simulation, device, fault);
    case 'wornWord':
      if (device.flash === undefined) return;
      simulation.markDamaged(device);
      device.flash.stuck.add(wordAt(device.flash, aim(device.flash, device.layout.banks, fault.size)));
      return;
    case 'bitRot': {
      if (device.flash === undefined) return;
      simulation.markDamaged(device);
      device.powerOff('bit rot');
      device.flash.content[aim(device.flash, device.layout.banks, fault.size >> 3)]! ^= 1 << (fault.size & 7);
      return end(simulation, fault, () => bootOnline(simulation, device));
    }
    case 'misread': {
      if (device.flash === undefined) return;
      simulation.markDamaged(device);
      device.powerOff('misread');
      return end(simulation, fault, () => {
        misreadOnce(device.flash!, fault.size);
        bootOnline(simulation, device);
      });
    }
    case 'clockJump':
      device.clockOffset = fault.size % 2 === 0 ? fault.size : -fault.size;
      return;
    case 'clockLost':
      if (device.power === 'off') return;
      device.powerOff('battery taken out');
      device.clockRuns = false;
      return end(simulation, fault, () => bootOnline(simulation, device));
    case 'chainAway':
      chain.isAway = true;
      return end(simulation, fault, () => {
        chain.isAway = false;
      });
    case 'chainReorganisation':
      return chain.reorganise(fault.size);
    case 'gasSpike':
      chain.congestionBlocks += fault.size;
      return end(simulation, fault, () => {
        chain.congestionBlocks -= fault.size;
      });
    case 'nodeAway': {
      const node = hub.nodes[fault.size % hub.nodes.length]!;
      node.away = true;
      return end(simulation, fault, () => {
        node.away = false;
      });
    }
    case 'nodeBehind': {
      const node = hub.nodes[fault.size % hub.nodes.length]!;
      node.behind += fault.size;
      return end(simulation, fault, () => {
        node.behind -= fault.size;
      });
    }
    case 'nodeHides': {
      // A hub that asks one node alone has nothing to compare it with.
      if (hub.nodes.length === 1) return;
      const node = hub.nodes[fault.size % hub.nodes.length]!;
      node.hidesEvents = true;
      return end(simulation, fault, () => {
        node.hidesEvents = false;
      });
    }
    case 'nodeShort': {
      const node = hub.nodes[fault.size % hub.nodes.length]!;
      node.short = true;
      return end(simulation, fault, () => {
        node.short = false;
      });
    }
    case 'nodeAhead': {
      const node = hub.nodes[fault.size % hub.nodes.length]!;
      node.ahead += fault.size;
      return end(simulation, fault, () => {
        node.ahead -= fault.size;
      });
    }
    case 'hubKeySlow':
      hub.signMs += fault.size;
      return end(simulation, fault, () => {
        hub.signMs -= fault.size;
      });
    case 'hubKeyFails':
      hub.keyFails = true;
      return end(simulation, fault, () => {
        hub.keyFails = false;
      });
    case 'keySlow':
      device.key.lateMs += fault.size;
      return end(simulation, fault, () => {
        device.key.lateMs -= fault.size;
      });
    case 'keyFails':
      device.key.failing += 1;
      return end(simulation, fault, () => {
        device.key.failing -= 1;
      });
    case 'keyDies':
      // What only this key could still have answered for is its owner's loss.
      simulation.markDamaged(device);
      device.key.dead = true;
      return;
    default:
      return unreachable(fault.kind);
  }

  function restartLater(where: Run, cut: AnyDevice, planned: Fault): void {
    const look = (): void => {
      if (cut.power === 'on') {
        if (world.nowMs >= where.activeUntilMs) return;
        // It was idle all the while: the cut finds it so.
        if (world.nowMs - planned.atMs < HOUR) return void world.after(planned.forMs, look);
        cut.powerOff('idle');
      }
      world.after(planned.forMs, () => bootOnline(where, cut));
    };
    world.after(planned.forMs, look);
  }
}

const wordAt = ({ wordSize }: RamFlash, at: number): number => at - (at % wordSize);

/** One of the next reads gives ones, zeros or a flipped bit instead. */
function misreadOnce(flash: RamFlash, draw: number): void {
  const wrong = flash.reads + 1 + (draw >> 2);
  flash.onRead = (read, _, bytes) => {
    if (read !== wrong || bytes.length === 0) return;
    flash.onRead = undefined;
    const how = draw & 3;
    if (how < 2) bytes.fill(how === 0 ? 0xff : 0);
    else bytes[draw % bytes.length]! ^= 1 << (draw & 7);
  };
}

function bootOnline(simulation: Run, device: AnyDevice): void {
  device.boot();
  if (simulation.fleet.isOnline(device, simulation.world.nowMs)) device.goOnline();
}

/** The time of faults is over: power, networks, hub and chain are there again, and stay. */
export function heal(simulation: Run): void {
  const { weather, broker, chain, hub, fleet } = simulation;
  weather.clear();
  broker.cutOff.clear();
  chain.isAway = false;
  chain.congestionBlocks = 0;
  hub.disk.fails = false;
  hub.disk.slowMs = 0;
  hub.signMs = 0;
  hub.keyFails = false;
  for (const node of hub.nodes) Object.assign(node, soundNode());
  hub.withholds = false;
  hub.start();
  for (const device of fleet.devices) {
    device.cutIn = 0;
    device.cutInSteps = 0;
    device.key.heal();
    if (device.flash !== undefined) device.flash.cutAt = undefined;
    device.boot();
  }
}
