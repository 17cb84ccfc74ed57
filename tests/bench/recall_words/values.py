"""Lists of values that made-up people have, know, like and are called."""

from __future__ import annotations

import calendar
from typing import Final

_LISTS: Final = {
    "woman": """
        Amara Chiara Eluned Farida Hanneke Jamila Leocadia Mirela Priya Rashida Tomoko Ulrike Wanjiru Xiomara
        Zdenka Birgit Delphine Fiorella Gudrun Ingeborg Jorunn Lakshmi Maelle Ngozi Oksana Rosalind Siobhan
        Thandiwe Ursula Valentina Wilhelmina Yevgenia Anneli Bruna Dagmar Esperanza Ghislaine Isolde Katarzyna
        Niamh Octavia Pelagia Ramona Vasilisa Yolanda Zainab Agnieszka Carmela Elspeth Fatoumata Gwendolyn
        Jelena Ludmila Magdalena Nasrin Ottilie Petronella Solveig Ulyana Veronika Winifred Zuleika Adaeze
        Dorothea Femke Helmi Indira Kirsten Noor Odalys Rukmini Theodora Abena Blanca Dineke Eszter Gerda Hiroko
        Jagoda""",
    "man": """
        Bartosz Dmitri Giorgos Ignacio Kwame Nikhil Oyelaran Quentin Sanjay Vikram Yusuf Aleksander Cosmin Emeka
        Haruki Kasimir Paavo Zoltan Casimiro Fergus Hamza Joaquim Lorcan Mustafa Stellan Tiberiu Umberto Wendell
        Xavier Bohdan Dariush Hyacinth Iker Kenji Ravi Tariq Yannick Benedek Clemens Eirik Gaspard Jasper
        Leopold Minh Severin Ismail Viggo Cyrus Florian Imre""",
    "surname": """
        Okonkwo Lindqvist Fernandes Nakamura Petrov O'Malley Kowalczyk Haddad Bergstrom Castellano Mukherjee Novotny
        Abernathy Duarte Eriksen Fontaine Gutierrez Hashimoto Ivanova Jankowski Karlsson Lombardi Mbeki Nieminen Oyelowo
        Papadakis Quintero Rasmussen Szabo Takahashi Underhill Vasquez Whitcombe Yilmaz Zimmermann Achterberg Bianchi
        Chowdhury Dimitrov Estevez Fitzgerald Grigoryan Hallström Ibarra Jovanovic Kaminski Lefebvre Marchetti Nwosu
        Oduya Pettersen Radhakrishnan Sandoval Thorvaldsen Uchida Villanueva Wroblewski Zhang-Meier Adeyemi Brannigan
        Ceballos Drozdov Engström Farouk Galanis Hinterberger Iyer Jurado Kaplan Llewellyn Montague Nordstrom""",
    "pet": """
        Biscuit Pickles Waffles Mango Ziggy Noodle Truffle Sprocket Dumpling Pretzel Cricket Marbles Tofu Gizmo Peaches
        Banjo Nutmeg Sherlock Cinnamon Bubbles Pogo Rhubarb Widget Toffee Kiwi Snickers Moose Radish Fudge Clementine
        Bramble Pudding Tango Wasabi Cookie Bandit Mocha Turnip Acorn Domino Custard Pixel Zorro Chutney Freckles""",
    "title": """
        Windflower/Wind+Flower Stormcloud Kingfisher Nightingale Silver+Heron Blue+Comet Seagrass Moonraker Dragonfly
        Wild+Thistle Halfmoon Saltwater Grey+Goose Firebird Northern+Star Sandpiper Paper+Lantern Iron+Fox Driftwood
        Lucky+Penny Red+Kestrel Cloudberry Morning+Tide Quicksilver""",
    "town": """
        Ljubljana Valparaiso Tromso Galway Coimbra Heidelberg Utrecht Krakow Bergen Salamanca Trieste Wellington
        Ghent Aarhus Tartu Cusco Penang Kanazawa Plovdiv Brno Turku Lyon Bologna Zaragoza Halifax Adelaide Inverness
        Chester Leipzig Graz Bilbao Nantes Tampere Split Sibiu Riga Vilnius Nagoya Mombasa Accra Cartagena Montevideo
        Quito Porto Antwerp Basel Innsbruck Malmo Debrecen Thessaloniki Izmir Beirut Marrakesh Dakar Kigali Durban
        Lahore Pune Hanoi Busan Osaka Cebu Hobart Dunedin Savannah Tucson Portland Duluth Winnipeg Saskatoon Oaxaca""",
    "country": """
        Portugal Slovenia Vietnam Ghana Norway Peru Georgia Armenia Morocco Iceland Lithuania Uruguay Malaysia Kenya
        Croatia Bolivia Estonia Senegal Nepal Jordan Romania Chile Tunisia Finland Bulgaria Ecuador Cambodia Malta
        Scotland Tanzania Albania Mongolia Cyprus""",
    "breed": """
        beagle whippet dalmatian labrador greyhound poodle corgi border+collie dachshund cocker+spaniel husky
        schnauzer basset+hound airedale vizsla pug bull+terrier saluki""",
    "catbreed": "Siamese Persian Maine+Coon Bengal Burmese Ragdoll Abyssinian Norwegian+Forest Birman Manx Sphynx",
    "instrument": """
        cello oboe accordion harp clarinet trombone banjo bassoon viola mandolin saxophone ukulele bagpipes tuba
        flute double+bass xylophone french+horn organ""",
    "job": """
        nurse plumber translator carpenter vet beekeeper paramedic tailor librarian surveyor pilot chef roofer
        optician pharmacist locksmith glassblower lawyer firefighter geologist baker welder midwife journalist
        stonemason gardener electrician bookbinder architect dentist+technician upholsterer cartographer""",
    "company": """
        Brightwater+Logistics Hollis+and+Wren Tannenberg+Optics Cobalt+Bridge Merriweather+Foods Pinecrest+Media
        Oakhurst+Insurance Falconer+Tools Solarfield Redwood+Printing Larkspur+Textiles Granite+Telecom
        Harborline+Shipping Quillfeather+Press Ironbark+Timber Northgate+Pharma Sunder+Software Vellum+Design""",
    "drink": """
        peppermint+tea espresso hot+chocolate tomato+juice buttermilk green+tea ginger+ale cappuccino chai kefir
        apple+juice lemonade rooibos iced+coffee oat+milk grapefruit+juice camomile+tea""",
    "colour": "turquoise maroon violet ochre crimson teal lavender orange silver beige burgundy emerald indigo magenta",
    "music": """
        jazz flamenco bluegrass opera reggae techno fado soul samba punk ska country+music heavy+metal swing
        baroque+music gospel polka""",
    "cuisine": """
        Thai Ethiopian Lebanese Korean Greek Mexican Peruvian Turkish Japanese Vietnamese Moroccan Georgian Polish
        Indonesian Persian Ukrainian""",
    "genre": """
        detective+novels/crime+novels/detective biographies/biography science+fiction/sci-fi poetry/poems
        historical+novels/historical travel+writing/travel graphic+novels/comics ghost+stories/ghost fantasy
        cookbooks/cookery+books popular+science spy+thrillers/spy westerns fairy+tales""",
    "flavour": """
        pistachio hazelnut lemon stracciatella coconut blackcurrant caramel rum+and+raisin/rum+raisin cherry
        coffee mint blueberry walnut peach""",
    "topping": """
        anchovies artichokes pineapple capers gorgonzola olives rocket spinach aubergine jalapeños salami leeks""",
    "dessert": """
        tiramisu apple+crumble/crumble cheesecake panna+cotta baklava trifle lemon+tart pavlova rice+pudding
        crème+brûlée black+forest+gateau/black+forest chocolate+mousse churros""",
    "flower": """
        peonies tulips irises sunflowers dahlias orchids lilacs daffodils hydrangeas snowdrops freesias gerberas""",
    "breakfast": """
        porridge scrambled+eggs/eggs rye+bread pancakes muesli croissants yoghurt/yogurt waffles kippers
        beans+on+toast/beans rice+and+miso/miso bagels""",
    "boardgame": """
        backgammon Scrabble Monopoly dominoes Carcassonne checkers/draughts Cluedo/Clue Catan mahjong Risk
        Pictionary Ludo""",
    "animal": """
        rabbits pigeons chickens alpacas bees guinea+pigs snakes goats ducks ferrets parakeets hedgehogs tortoises
        donkeys""",
    "subject": """
        physics archaeology nursing law philosophy marine+biology/biology economics medicine mathematics/maths/math
        linguistics geology chemistry history architecture veterinary+science statistics astronomy musicology""",
    "sport": """
        tennis volleyball badminton hockey rugby golf judo fencing basketball squash rowing cricket handball
        table+tennis water+polo archery karate climbing/bouldering skiing/ski surfing/surf""",
    "language": """
        Portuguese Hungarian Swahili Welsh Korean Arabic Finnish Turkish Dutch Hindi Catalan Icelandic Polish
        Japanese Vietnamese Basque Romanian Greek Hebrew Danish""",
    "vegetable": """
        tomatoes/tomato courgettes/zucchini radishes/radish beans pumpkins peppers lettuce carrots kale onions
        cucumbers potatoes/potato spinach beetroot/beets leeks garlic parsley basil""",
    "collect": """
        stamps fridge+magnets/magnets old+maps/maps vinyl+records/records/vinyl coins teapots postcards fountain+pens
        thimbles seashells/shells beer+mats typewriters snow+globes pocket+watches/watches toy+trains""",
    "food": "fish pork shellfish lamb mushrooms beef eggs liver venison duck squid",
    "allergen": """
        walnuts/walnut penicillin strawberries/strawberry latex cat+hair/cats wasp+stings/wasps/wasp pollen
        sesame celery kiwi+fruit/kiwi ibuprofen nickel lupins dust+mites/dust mustard horse+hair/horses""",
    "car": """
        Volvo Skoda Fiat Citroën/Citroen Toyota Saab Mazda Renault Peugeot Honda Subaru Dacia Vauxhall Kia
        Mini+Cooper/Mini Land+Rover""",
    "medicine": """
        metformin ramipril levothyroxine sertraline amlodipine warfarin omeprazole lithium prednisone bisoprolol
        simvastatin gabapentin methotrexate candesartan""",
    "purchase": """
        motorbike piano greenhouse camper+van/camper telescope sewing+machine kayak loom pottery+kiln/kiln
        drum+kit/drums electric+bike/e-bike canoe tandem rowing+machine caravan wood+stove/stove""",
    "place": """
        library town+hall swimming+pool/pool post+office museum bakery bus+station cinema train+station cathedral
        supermarket hospital theatre/theater football+ground/stadium university""",
    "hobby": """
        pottery calligraphy ballroom+dancing/dancing bookbinding woodcarving/wood+carving photography upholstery
        tai+chi beekeeping knitting origami weaving watercolours/watercolors/watercolour
        silversmithing juggling puppetry basket+making/baskets fly+fishing""",
    "street": """
        Larch+Lane Mill+Road Castle+Street Orchard+Close Quarry+Hill Station+Road Bishops+Walk Ferry+Lane
        Poplar+Avenue Harbour+Street Tanner+Row Magnolia+Drive Chapel+Street Weaver+Court""",
    "hotel": """
        Hotel+Miramar/Miramar Golden+Swan Grand+Astoria/Astoria Old+Mill+Inn/Old+Mill Hotel+Bellavista/Bellavista
        White+Horse Hotel+Europa/Europa Park+Lodge Sea+View Three+Crowns""",
    "phone": "Nokia Samsung Fairphone Motorola Pixel Huawei Sony OnePlus iPhone Xiaomi",
    "weekday": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "injury": """
        wrist ankle collarbone elbow kneecap/knee big+toe/toe shoulder rib thumb hip""",
    "craft": """
        cheese+shop/cheese bicycle+workshop/bicycle/bike tattoo+studio/tattoo flower+shop/florist/flowers
        driving+school wine+bar/wine bookshop/bookstore/books hardware+store/hardware music+shop tea+house/tea
        laundry shoe+shop/shoe""",
}


def _entries(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(word.replace("+", " ") for word in entry.split("/")) for entry in text.split())


VALUES: Final[dict[str, tuple[tuple[str, ...], ...]]] = {name: _entries(text) for name, text in _LISTS.items()}
"""Values per list: the spoken form, and synonyms."""
VALUES["given"] = (*VALUES["woman"], *VALUES["man"])

MONTHS: Final = list(calendar.month_name)[1:]
WEEKDAYS: Final = list(calendar.day_name)
